"""Specs in YAML that name Python objects, that grow, or that say two things."""

from hostile import valid
from hostile.cases import case

REFUSED = ("SpecError", "FormatError")
BESIDE = {"w.npz": valid.npz()}


def texts():
    for index, tag in enumerate((
        "!!python/object/apply:os.system [true]", "!!python/object/new:os.system [true]", "!!python/name:os.system",
        "!!python/module:os", "!!python/object:os.system {}", "!!python/tuple [1]", "!!python/object/apply:eval ['1']",
        "!!python/object/apply:subprocess.check_output [[true]]", "!!python/bytes x", "!include /etc/hostname", "!ENV ${HOME}",
        "!<tag:yaml.org,2002:python/name:os.system> x", "!!binary aGVsbG8=", "!!set {a, b}", "!!timestamp 2026-01-01", "!!omap [a: 1]",
        "!!python/object/new:tuple [!!python/object/new:map [!!python/name:eval , ['1']]]", "!!js/function 'x'", "!!float x", "!!int x",
    )):  # fmt: skip
        yield f"tag-{index:02}", f"name: {tag}\ninput: [3]\nnodes: []\n"
        yield (
            f"tag-in-node-{index:02}",
            f"name: n\ninput: [3]\nnodes:\n  - {{name: a, layer: IF, v_threshold: {tag}}}\n",
        )
    laughs = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]\n" for i in range(1, 30)
    )
    yield "billion-laughs", laughs
    yield "alias-of-itself", "name: &a [*a]\n"
    yield "merge-key", "base: &b {name: n}\n<<: *b\n"
    yield "merge-without-alias", "<<: {name: n}\ninput: [3]\nnodes: []\n"
    yield "duplicate-key", "name: n\nname: m\ninput: [3]\nnodes: []\n"
    yield "duplicate-in-node", "name: n\ninput: [3]\nnodes:\n  - {name: a, layer: IF, layer: LIF}\n"
    yield "deep-lists", "name: " + "[" * 20_000 + "]" * 20_000
    yield "deep-maps", "name: " + "{a: " * 20_000 + "1" + "}" * 20_000
    yield "deep-blocks", "".join(" " * i + "a:\n" for i in range(2_000))
    yield "deep-dashes", "name: n\ninput:\n  " + "- " * 20_000 + "1\n"
    yield "unclosed", "name: [" * 20_000
    yield "two-documents", "name: n\n---\nname: m\n"
    yield "directive", "%YAML 9.9\n---\nname: n\n"
    yield "nul", "name: n\0\ninput: [3]\nnodes: []\n"
    yield "huge-number", "name: n\ninput: [" + "9" * 10_000 + "]\nnodes: []\n"
    yield (
        "huge-input",
        "name: n\ninput: [4611686018427387904, 4]\nweights: w.npz\nnodes:\n  - {name: fc, layer: Linear, weight: a}\n",
    )
    yield "question-key", "? [a, b]\n: 1\n"
    yield "long-key", "? " + "a" * 200_000 + "\n: 1\n"
    yield "only-comment", "# nothing\n"
    yield "many-numbers", "name: [" + "1," * 2_000_000 + "]\n"
    yield (
        "many-nodes",
        "name: n\ninput: [3]\nnodes:\n" + "".join(f"  - {{name: a{i}, layer: IF}}\n" for i in range(100_000)),
    )
    yield "scalar", "just words\n"
    yield "list", "- 1\n- 2\n"


def cases():
    for name, text in texts():
        yield case(f"yaml/{name}.yaml", text.encode(), *REFUSED, "ShapeError", beside=BESIDE)
    yield case("yaml/not-utf8.yaml", b"name: \xff\n", *REFUSED)
    yield case("yaml/utf16.yaml", "name: n\n".encode("utf-16"), *REFUSED)
    yield case("yaml/five-mebibytes.yaml", b"# " + b"x" * (5 << 20), *REFUSED)
    spec = "name: n\ninput: [3]\nweights: {}\nnodes:\n  - {{name: fc, layer: Linear, weight: w}}\n"
    for name, target in (("up", "../../../../etc/hostname"), ("absolute", "/etc/hostname"), ("none", "missing.npz")):
        yield case(
            f"yaml/weights-{name}.yaml",
            spec.format(target).encode(),
            *REFUSED,
            "unknown-format",
            "outside-file",
            "unreadable",
        )
