"""NIR graphs for tests, and files made of them."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from refsnn import strategies as snn
from refsnn.formats.hdf5.file import read
from refsnn.formats.hdf5.tree import Group
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Source
from refsnn.formats.nir.file import from_tree
from refsnn.formats.nir.graph import NirGraph, NirNode
from refsnn.formats.nir.hdf5 import content_of
from refsnn.formats.nir.importing import network_of

DT = 1e-4


def node(kind, **parameters):
    return NirNode(
        kind, {key: value if isinstance(value, str) else np.asarray(value) for key, value in parameters.items()}
    )


def shaped(*shape):
    return np.array(shape, np.int64)


def graph(edges, metadata=None, **nodes):
    """A graph whose names are the keywords; 'a-b b-c' is its edges."""
    pairs = tuple(tuple(edge.split("-")) for edge in edges.split())
    return NirGraph({name.replace("__", "."): n for name, n in nodes.items()}, pairs, metadata or {})


def between(n, edges="input-a a-output", size=1, **nodes):
    """One node, or several, between an Input and an Output of `size` numbers."""
    ends = {"input": node("Input", shape=shaped(size)), "output": node("Output", shape=shaped(size))}
    return graph(edges, a=n, **nodes, **ends)


def source(content):
    return Source("graph.nir", memoryview(content), Limits())


def model(made):
    """The graph as it is read, but for HDF5: a process for each file would take a second for a few."""
    return from_tree(source(b""), Group({}, {"node": tree(made)}, {"version": "1.0.8"}))


def tree(made):
    """What the walk over the file's HDF5 groups gives."""
    datasets = (
        {"type": "NIRGraph", "edges": made.edges}
        if isinstance(made, NirGraph)
        else {"type": made.type, **made.parameters}
    )
    inside = {"nodes": Group({}, {k: tree(n) for k, n in made.nodes.items()}, {})} if isinstance(made, NirGraph) else {}
    return Group({}, inside | ({"metadata": Group({}, {}, made.metadata)} if made.metadata else {}), datasets)


def stored(made):
    """The graph written to a file and read from it."""
    return read(source(content_of(made)))


def network(made, how, name="n"):
    return network_of(model(made), how, name)[0]


def lif(size=1, **other):
    given = {"tau": 0.0025, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.1, "v_reset": 0.0} | other
    return node("LIF", **{key: np.broadcast_to(np.asarray(value, np.float64), (size,)) for key, value in given.items()})


NUMBERS = st.floats(-4, 4, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
TIMES = st.floats(1, 200).map(lambda steps: steps * DT)
FIELDS = {
    "I": ("r",), "IF": ("r", "v_threshold", "v_reset"), "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"), "CubaLI": ("tau_syn", "tau_mem", "r", "w_in", "v_leak"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "w_in", "v_leak", "v_threshold", "v_reset"), "Threshold": ("threshold",),
}  # fmt: skip


@st.composite
def neurons(draw, size):
    kind = draw(st.sampled_from(sorted(FIELDS)))

    def numbers(key):
        one = TIMES if key.startswith("tau") else st.floats(0.125, 4) if "threshold" in key else NUMBERS
        count = 1 if draw(st.booleans()) else size
        return np.resize(np.array(draw(st.lists(one, min_size=count, max_size=count))), size)

    return node(kind, **{key: numbers(key) for key in FIELDS[kind]})


@st.composite
def graphs(draw):
    """Any edges between nodes of one size: sums, cycles, delays, nested graphs, names in any order."""
    size = draw(st.integers(1, 3))
    names = draw(st.permutations(["b", "a", "10", "9", "lif.1", "lif", "out", "z"]))[: draw(st.integers(1, 5))]
    ends = {"in": node("Input", shape=shaped(size)), "end": node("Output", shape=shaped(size))}
    nodes = {}
    for name in names:
        nodes[name] = draw(_parts(size))
    chain = ["in", *names, "end"]
    edges = list(pairwise(chain))
    more = st.tuples(st.sampled_from(chain[:-1]), st.sampled_from(chain[1:]))
    edges += [edge for edge in draw(st.lists(more, max_size=4)) if edge not in edges]
    return NirGraph(nodes | ends, tuple(draw(st.permutations(list(dict.fromkeys(edges))))))


@st.composite
def _parts(draw, size):
    kind = draw(st.sampled_from(["neurons", "neurons", "Affine", "Linear", "Scale", "Delay", "nested"]))
    if kind == "neurons":
        return draw(neurons(size))
    if kind == "Delay":
        return node("Delay", delay=np.full(size, draw(st.integers(0, 3)) * DT))
    if kind == "Scale":
        return node("Scale", scale=np.resize(np.array(draw(st.lists(NUMBERS, min_size=1, max_size=size))), size))
    if kind == "nested":
        ends = {"input": node("Input", shape=shaped(size)), "output": node("Output", shape=shaped(size))}
        inner = {"x": draw(neurons(size)), "w": node("Linear", weight=draw(snn.tensors((size, size))))}
        return NirGraph(inner | ends, (("input", "x"), ("x", "w"), ("w", "x"), ("x", "output")))
    bias = {"bias": draw(snn.tensors((size,)))} if kind == "Affine" else {}
    return node(kind, weight=draw(snn.tensors((size, size))), **bias)
