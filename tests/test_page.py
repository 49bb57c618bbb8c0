"""The HTML page: self-contained, escaped, the same bytes for the same numbers."""

import re

import hwmodel
from hwmodel import page, pictures, score_pictures
from hwmodel.tradeoff import score_bounds
from refsnn.policies import Fixed

HOSTILE = "<script>alert(1)</script>"


def test_text_is_escaped_and_nothing_is_fetched():
    section = page.Section(title=HOSTILE, text=HOSTILE, columns=(HOSTILE,), rows=((HOSTILE,),), notes=(HOSTILE,))
    html = page.render(HOSTILE, HOSTILE, [section])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 8
    assert "default-src 'none'" in html


def test_pictures_are_reproducible_and_name_what_they_show(trace, test_data):
    chip = hwmodel.load_chip("loihi")
    scores = [hwmodel.score(Fixed(t), trace, test_data.labels, chip) for t in (2, 8)]
    bounds = score_bounds([Fixed(2), Fixed(8)], trace, test_data.labels, [chip])
    report = hwmodel.estimate(trace.activity, chip)
    for draw, words in (
        (lambda: score_pictures.accuracy_against_steps([0.5, 0.9], scores), ["fixed 2", "mean steps", "accuracy (%)"]),
        (lambda: pictures.energy_by_component([report]), ["loihi (lower bound)", "static", "core", "router", "68.8 uJ"]),
        (lambda: score_pictures.energy_against_accuracy(scores, bounds, {("fixed 2", "loihi")}), ["loihi", "fixed 8", "accuracy (%)"]),
        (lambda: pictures.exactness_by_layer([("act1", 99_999_999, 0, 1, 0), ("act2", 3, 1, 0, 0)]),
         ["act1", "99.99 %", "75.00 %", "too many spikes"]),
    ):  # fmt: skip
        svg = draw()
        assert svg == draw()
        assert svg.startswith("<svg")
        for word in words:
            assert word in svg
        assert not re.findall(r'(?:href|src)="(?!#)', svg)
