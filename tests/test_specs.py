"""Spec files: YAML 1.2 values, and mistakes with their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwmodel
import refsnn
from refsnn.errors import FormatError, LoadError, RefSNNError, SpecError
from refsnn.formats import network_schema
from refsnn.specs import parse

NETWORK = """\
name: tiny
input: [2]
nodes:
  - {name: flat, layer: Flatten}
  - {name: if1, layer: IF, v_threshold: 1.0}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [("4e-12", 4e-12), ("1.5", 1.5), ("-3", -3), (".5", 0.5), ("1:30", "1:30"), ("yes", "yes"), ("no", "no"), ("true", True),
     ("0x10", "0x10"), ("1_000", "1_000"), ("null", None), ("2026-11-20", "2026-11-20"), ("'7'", "7"), ("1e3", 1000.0)],
)  # fmt: skip
def test_scalars_are_read_as_in_yaml_1_2(text, value):
    read = parse(f"a: {text}", "x.yaml").data["a"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "x.yaml:2:1: duplicate key 'name', first given on line 1"),
        ("a: &anchor 1\nb: *anchor\n", "x.yaml:2:4: not readable as YAML: aliases are not read, write the value out"),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1:4: tag 'tag:yaml.org,2002:python/object/apply:os.system' is not read; write plain YAML"),
        ("a: [1, 2\n", "x.yaml:2:1: not readable as YAML: expected ',' or ']', but got '<stream end>'"),
        ("", "x.yaml:1:1: expected a mapping such as 'name: ...', found an empty file"),
        ("<<: {a: 1}\n", "x.yaml:1:1: keys are plain words; merge keys and nested keys are not read"),
        (f"a: [{'1,' * 50_000}]\n", "x.yaml:1:39999: not readable as YAML: over 20000 keys and values; a spec is short"),
        ("a: !!int x\n", "x.yaml:1:4: 'x' is no number that can be read; write it in digits"),
        (f"a: {'9' * 5000}\n", f"x.yaml:1:4: '{'9' * 40}'… is no number that can be read; write it in digits"),
        ("[1]: 2\n", "x.yaml:1:1: keys are plain words; merge keys and nested keys are not read"),
    ],
)  # fmt: skip
def test_yaml_mistakes(text, message):
    with pytest.raises(SpecError) as error:
        parse(text, "x.yaml")
    assert str(error.value) == message


def test_deep_nesting_is_an_error_not_a_crash():
    with pytest.raises(SpecError):
        parse("[" * 5000, "x.yaml")


def _error(tmp_path, text, kind=SpecError):
    path = tmp_path / "net.yaml"
    path.write_text(text)
    with pytest.raises(kind) as error:
        refsnn.load(path)
    return str(error.value).removeprefix(f"{path}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: tiny", "nam: tiny", ":1:1: nam: unknown key; did you mean 'name'?"),
        ("name: tiny\n", "", ":1:1: missing key 'name'"),
        ("name: tiny", "name: 3", ":1:1: name: expected a text, got 3"),
        ("input: [2]", "input: [0]", ":2:9: input[0]: input should be greater than or equal to 1, got 0"),
        ("input: [2]", "input: two", ":2:1: input: input should be a valid list, got 'two'"),
        ("layer: IF", "layer: IFF", ":5:17: nodes[1].layer: unknown layer 'IFF'; did you mean 'IF'?"),
        ("v_threshold: 1.0", "v_treshold: 1.0", ":5:28: nodes[1].v_treshold: unknown key; did you mean 'v_threshold'? (layer if1)"),
        (", v_threshold: 1.0", "", ":5:5: nodes[1]: missing key 'v_threshold' (layer if1)"),
        ("v_threshold: 1.0", "v_threshold: 0", ":5:28: nodes[1].v_threshold: expected a number greater than 0, got 0 (layer if1)"),
        ("v_threshold: 1.0", "v_threshold: .inf", ":5:28: nodes[1].v_threshold: expected a finite number, got inf (layer if1)"),
        ("v_threshold: 1.0", "v_threshold: true", ":5:28: nodes[1].v_threshold: expected a number, got True (layer if1)"),
        ("v_threshold: 1.0", "v_threshold: up", ":5:28: nodes[1].v_threshold: 'up' names a tensor, but no weights file is named; add 'weights: FILE' or a number"),
        ("v_threshold: 1.0", "v_threshold: 1.0, reset: soft",
         ":5:46: nodes[1].reset: input should be 'subtract', 'to_value' or 'none', got 'soft' (layer if1)"),
        ("v_threshold: 1.0", "v_threshold: 1.0, inputs: [flt]", ": if1: reads 'flt', which is no earlier node; did you mean 'flat'?"),
        ("name: if1", "name: flat", ": flat: two nodes have this name; names must differ (and 'input' is the drive)"),
        ("{name: flat, layer: Flatten}", "flat", ":4:5: nodes[0]: expected a node such as {{name: fc1, layer: Linear, ...}}, got 'flat'"),
    ],
)  # fmt: skip
def test_network_mistakes(tmp_path, old, new, message):
    assert old in NETWORK
    assert _error(tmp_path, NETWORK.replace(old, new)) == message.format(path=tmp_path / "net.yaml")


@given(key=st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1))
def test_any_unknown_key_is_refused(key, tmp_path_factory):
    known = {"name", "layer", "inputs", "v_threshold", "v_init", "reset", "v_reset", "firing", "amplitude"}
    if key in known:
        return
    folder = tmp_path_factory.mktemp("spec")
    message = _error(folder, NETWORK.replace("v_threshold: 1.0", f"v_threshold: 1.0, {key}: 1"))
    assert f"nodes[1].{key}: unknown key" in message


HEAD = "name: n\ninput: [1, 8, 8]\nnodes:\n"


@pytest.mark.parametrize(
    "text",
    ["\x00\x01", "- a\n", "hello\n", "name: n\ninput: [1, 8, 8]\nnodes: {a: 1}\n", "name: n\ninput: [1, 8, 8]\nnodes: []\n",
     "name: [a]\ninput: [1]\nnodes: []\n", "name: n\ninput: []\nnodes: [{name: f, layer: Flatten}]\n",
     "name: n\ninput: 8\nnodes: []\n", "name: n\ninput: [-1]\nnodes: []\n", "name: n\ninput: [1]\nweights: [a]\nnodes: []\n",
     "name: n\ninput: [1]\nweights: .\nnodes: []\n",
     *(HEAD + "  - " + node + "\n" for node in (
         "", "{name: a, layer: }", "{name: a, layer: Flatten, inputs: 3}", "{name: a, layer: Flatten, inputs: [3]}",
         "{name: a, layer: Flatten, inputs: []}", "{name: a, layer: Flatten, inputs: [a]}", "{name: input, layer: Flatten}",
         "{name: a, layer: QCFS, threshold: 1.0, levels: 0}", "{name: a, layer: QCFS, threshold: 1.0, levels: eight}",
         "{name: a, layer: QCFS, threshold: -1.0, levels: 8}", "{name: a, layer: AvgPool2d, kernel: [1, 2, 3]}",
         "{name: a, layer: AvgPool2d, kernel: 9}", "{name: a, layer: AvgPool2d, kernel: 2, padding: -1}",
         "{name: a, layer: MaxPool2d, kernel: 2, padding: 2}", "{name: a, layer: Conv2d, weight: 3.0}",
         "{name: a, layer: Conv2d}", "{name: a, layer: IF, v_threshold: 1, reset: 5}", "{name: a, layer: Scale, factor: x}",
         "{name: a, layer: IF, v_threshold: 1, firing: '<'}", "{name: a, layer: IF, v_threshold: .nan}",
     ))],
)  # fmt: skip
def test_what_is_no_network_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "net.yaml").write_text(text)
    with pytest.raises(RefSNNError) as error:
        refsnn.load(tmp_path / "net.yaml")
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


@given(
    position=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 9),
    put=st.sampled_from(["", ":", "[", "}", "\n", "&a ", "!", "\x07", "9"]),
)
def test_a_damaged_spec_gives_a_network_or_one_sentence(position, length, put, tmp_path_factory):
    for text, load in ((NETWORK, refsnn.load), (CHIP, hwmodel.load_chip)):
        start = int(position * len(text))
        path = tmp_path_factory.mktemp("damaged") / "spec.yaml"
        path.write_text(text[:start] + put + text[start + length :])
        message = ""
        try:
            load(path)
        except RefSNNError as error:
            message = str(error)
        assert "\n" not in message


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(FormatError, match=r"no\.yaml: cannot read: No such file or directory; name a file that exists"):
        refsnn.load(tmp_path / "no.yaml")
    (tmp_path / "bin.yaml").write_bytes(b"name: \xff")
    with pytest.raises(FormatError, match="byte 6 is not UTF-8; a spec is a YAML text"):
        refsnn.load(tmp_path / "bin.yaml")
    with pytest.raises(
        LoadError, match=r"w\.safetensors: cannot read: No such file or directory; name a file that exists"
    ):
        refsnn.load(tmp_path / "w.safetensors")


CHIP = """\
name: tiny
description: one adder
technology: {node: '45 nm', voltage: '0.9 V'}
family: accumulator_array
execution: sequential
clock: '1 MHz'
components:
  - name: adder
    part: compute
    actions:
      - name: add
        counts: [synops]
        cycles: 1
        energy: {nominal: '1 pJ', kind: marginal, grade: estimated, source: made up}
static: {nominal: '1 uW', kind: static, grade: estimated, source: made up}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'1 pJ'", "fast", ":14:18: components[0].actions[0].energy.nominal: expected a quantity in J such as '23.6 pJ', got 'fast'"),
        ("'1 pJ'", "1e-12", ":14:18: components[0].actions[0].energy.nominal: expected a quantity in J such as '23.6 pJ', got 1e-12"),
        ("'1 MHz'", "'1 mhz'", ":6:1: clock: expected a quantity in Hz such as '500 MHz', got '1 mhz'"),
        ("'1 MHz'", "1000000", ":6:1: clock: expected a quantity in Hz such as '500 MHz', got 1000000"),
        ("energy:", "enrgy:", ":14:9: components[0].actions[0].enrgy: unknown key; did you mean 'energy'?"),
        ("source: made up}\nstatic", "source: ''}\nstatic", ":14:69: components[0].actions[0].energy.source: string should have at least 1 character, got ''"),
        (", source: made up}\nstatic", "}\nstatic", ":14:9: components[0].actions[0].energy: missing key 'source'"),
        ("nominal: '1 pJ', ", "", ":14:9: components[0].actions[0].energy: a figure has a nominal value, or the grade 'unknown'"),
        ("nominal: '1 pJ'", "nominal: '1 pJ', low: '2 pJ'", ":14:9: components[0].actions[0].energy: nominal 1e-12 does not lie between low 2e-12 and high None"),
        ("nominal: '1 pJ'", "nominal: '-1 pJ'", ":14:18: components[0].actions[0].energy.nominal: input should be greater than or equal to 0, got -1e-12"),
        ("[synops]", "[synop]", ":12:18: components[0].actions[0].counts[0]: unknown count 'synop'; did you mean 'synops'?"),
        ("clock: '1 MHz'\n", "", ":10:9: components[0].actions[0]: adder: add takes cycles, but the chip has no clock; give it a time"),
        ("name: adder", "name: adder\n    width: '8 bit'\n    word: '16 bit'", ":8:5: components[0]: an access of 8 bit does not hold whole words of 16 bit"),
        ("family: accumulator_array", "family: event", ":4:1: family: input should be 'many_core', 'accumulator_array', 'crossbar' or 'frame_based', got 'event'"),
    ],
)  # fmt: skip
def test_chip_mistakes(tmp_path, old, new, message):
    path = tmp_path / "chip.yaml"
    path.write_text(CHIP)
    hwmodel.load_chip(path)
    assert old in CHIP
    path.write_text(CHIP.replace(old, new))
    with pytest.raises(SpecError) as error:
        hwmodel.load_chip(path)
    assert str(error.value) == f"{path}{message}"


def test_an_unknown_chip_is_named():
    with pytest.raises(
        SpecError, match="chip 'lohi' is not packaged; did you mean 'loihi'\\?; or give a path to a .yaml"
    ):
        hwmodel.load_chip("lohi")


def test_the_schema_accepts_the_packaged_networks_by_its_layers(specs):
    schema = network_schema()
    kinds = [
        schema["$defs"][part["$ref"].rpartition("/")[2]] for part in schema["properties"]["nodes"]["items"]["oneOf"]
    ]
    layers = {kind["properties"]["layer"]["const"] for kind in kinds if "layer" in kind["properties"]}
    for path in (specs / "networks").glob("*.yaml"):
        document = parse(path.read_text(), path.name)
        assert {node["layer"] for node in document.data["nodes"]} <= layers
        for node in document.data["nodes"]:
            assert set(node) <= set(schema["$defs"][node["layer"]]["properties"])
