"""A counterexample as text: the network, the steps of the neuron that goes wrong, and why."""

from typing import Any

import numpy as np

from refsnn.counterexample import Case, cause, history
from refsnn.layers import Add, Linear
from refsnn.neurons import IF, one_of
from refsnn.tables import Table

FEW = 6  # weights of a neuron that are written out
STEPS = 16  # steps that are shown


def case_table(case: Case) -> Table:
    """Step by step what the first neuron does whose count is wrong; a sentence where none is."""
    found = case.disagreement()
    if found is None:
        return Table(
            title=f"{_size(case)}: equal to its source", columns=("layer",), rows=[[name] for name in case.snn.neurons],
            notes=_origin(case),
        )  # fmt: skip
    told = history(case, found)
    shown = range(min(case.steps, STEPS))
    more = [f"and {case.steps - STEPS} more steps"] if case.steps > STEPS else []
    return Table(
        title=f"{_size(case)}: {found.node}{list(found.index)} spikes too {'often' if found.sign > 0 else 'seldom'}",
        columns=(
            "step", *(f"{name} spikes" for name in told.before), "current", "v before", f"spike at {told.theta:g}", "v after",
        ),
        rows=[
            [
                str(t + 1), *(str(train[t]) for train in told.before.values()),
                f"{told.current[t]:.6g}", f"{told.compared[t]:.6g}", str(told.spikes[t]), f"{told.v[t]:.6g}",
            ]
            for t in shown
        ],
        notes=(*more, *_network(case), f"cause: {cause(case, found, told, case.verdict())}", *_origin(case)),
    )  # fmt: skip


def _size(case: Case) -> str:
    layers = len(case.snn.neurons)
    neurons = sum(int(np.prod(case.snn.shapes[name])) for name in case.snn.neurons)
    return (
        f"case of {_many(layers, 'spiking layer')}, {_many(neurons, 'neuron')}, {_many(case.x.size, 'input')}, T = {case.steps}, "
        f"{case.schedule}"
    )


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _origin(case: Case) -> tuple[str, ...]:
    return (f"found in {case.origin}",) if case.origin else ()


def _network(case: Case) -> list[str]:
    """The sums of each neuron where they are short enough to be read."""
    if case.snn.nodes and any(not isinstance(node.layer, Linear | IF | Add) for node in case.snn.nodes):
        return []
    lines = [f"input = {_vector(case.x)}"]
    for name in case.snn.neurons:
        shape, layer = case.snn.shapes[name], case.snn[name].layer
        assert isinstance(layer, IF)
        if len(shape) != 1 or shape[0] > FEW:
            return []
        for i in range(shape[0]):
            one = one_of(layer, (i,), shape)
            lines.append(
                f"{name}[{i}]: current {_sum(case, name, i)}; threshold {one.v_threshold:g}, v_init {one.v_init:g}"
            )
    return lines if len(lines) <= FEW + 2 else []


def _sum(case: Case, name: str, i: int) -> str:
    """'0.5 - 1 act1[0]': spikes of a neuron count as its threshold."""
    node = case.snn[case.snn[name].inputs[0]]
    terms = []
    for linear in [case.snn[source] for source in node.inputs] if isinstance(node.layer, Add) else [node]:
        assert isinstance(linear.layer, Linear)
        if linear.layer.bias is not None and linear.layer.bias[i]:
            terms.append((float(linear.layer.bias[i]), ""))
        source = linear.inputs[0]
        for j, weight in enumerate(linear.layer.weight[i]):
            if weight:
                terms.append((float(weight), f" {source}[{j}]"))
    if len(terms) > FEW:
        return f"of {len(terms)} terms"
    text = " ".join(f"{'-' if value < 0 else '+'} {_factor(abs(value), what)}" for value, what in terms)
    return text.removeprefix("+ ") or "0"


def _factor(value: float, what: str) -> str:
    return what.strip() if what and value == 1 else f"{value:.6g}{what}"


def _vector(x: np.ndarray[Any, Any]) -> str:
    if x.size > FEW:
        return f"{x.size} numbers"
    return "[" + ", ".join(f"{value:.6g}" for value in x.ravel()) + "]"
