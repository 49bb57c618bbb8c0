"""Keras models as networks: shapes channels first, kernels turned to ours, every weight accounted for."""

from graphlib import CycleError, TopologicalSorter
from typing import Any

from refsnn.errors import LoadError, RefSNNError
from refsnn.formats.keras.building import AGAIN, NO_PADDING, Building, Value
from refsnn.formats.keras.graph import KerasLayer, KerasModel
from refsnn.formats.keras.layers import IDENTITIES, LAYERS, MANY, SUPPORTED
from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.model_file import ModelFile
from refsnn.formats.refusals import refusal, refuse
from refsnn.network import INPUT, Network

SHAPES = ("batch_shape", "batch_input_shape")


def network_of(model: ModelFile, name: str) -> tuple[Network, tuple[Entry, ...]]:
    """The network, and what became of every tensor of the file.

    Keras' pictures are (height, width, channels), ours (channels, height, width): give inputs as x.transpose(0, 3, 1, 2).
    A Dense behind a Flatten has its inputs reordered to ours. A softmax at the end is left out and reported; the largest
    output stays the largest. A LoadError names each layer that no layer of ours says.
    """
    graph = model.graph
    if not isinstance(graph, KerasModel):
        refuse("no-layers", model.path, "", "a Keras file with weights only, which names no layers",
               "give the spec that does, or the file that model.save('model.keras') writes")  # fmt: skip
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        refuse("unsupported-node", model.path, graph.name, f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs",
               "models with one input and one output are read")  # fmt: skip
    shape = _input_shape(model, graph)
    building = Building(model, [], {})
    try:
        value = _run(building, graph, "", (Value(INPUT, shape, None, NO_PADDING[len(shape) - 1]),), last=True)
        building.plain(graph.outputs[0], value)
        if value.order is not None:
            refuse(
                "unsupported-node",
                model.path,
                graph.outputs[0],
                "a flattened map is the output",
                "end in a Dense layer",
            )
        network = Network(name, shape, tuple(building.nodes))
    except LoadError:
        raise
    except RefSNNError as error:
        raise refusal("damaged", model.path, "", f"its layers do not fit: {error}", AGAIN) from error
    unused = [key for key in model.tensors if key not in building.entries]
    ignored = [Entry(Fate.IGNORED, key, "leads to no output", *_kind(model, key)) for key in unused]
    return network, (*building.entries.values(), *ignored)


def _kind(model: ModelFile, key: str) -> tuple[tuple[int, ...], str]:
    return model.tensors[key].shape, str(model.tensors[key].dtype)


def _ordered(building: Building, model: KerasModel) -> tuple[KerasLayer, ...]:
    """The layers that the output needs, each after those that it reads, otherwise in the file's order."""
    known = {layer.name: layer for layer in model.layers}
    for reader, sources in [*((layer.name, layer.inputs) for layer in model.layers), (model.name, model.outputs)]:
        for source in sources:
            if source not in known:
                refuse(
                    "damaged",
                    building.model.path,
                    reader,
                    f"reads {source!r}, which is no layer",
                    AGAIN,
                )
    needed, waiting = set(model.outputs), list(model.outputs)
    while waiting:
        more = set(known[waiting.pop()].inputs) - needed
        needed |= more
        waiting += more
    try:
        order = TopologicalSorter({n: layer.inputs for n, layer in known.items() if n in needed}).static_order()
        return tuple(known[name] for name in order)
    except CycleError as error:
        refuse(
            "cycle",
            building.model.path,
            model.name,
            f"layers that read each other: {error.args[1][:4]}",
            "save it again",
        )


def _run(building: Building, model: KerasModel, prefix: str, inputs: tuple[Value, ...], *, last: bool) -> Value:
    """What the model gives for these inputs; its nodes are added to `building`. last: nothing reads what it gives."""
    values: dict[str, Value] = dict(zip(model.inputs, inputs, strict=True))
    for layer in _ordered(building, model):
        name = prefix + layer.name
        end = last and layer.name == model.outputs[0]
        if layer.name in model.inputs and (layer.kind == "InputLayer" or not layer.inputs):
            if layer.kind == "InputLayer":
                continue
            given: tuple[Value, ...] = (values.pop(layer.name),)  # a Sequential model without InputLayer
        else:
            given = tuple(values[source] for source in layer.inputs)
        if layer.model is not None:
            if len(layer.model.inputs) != len(given) or len(layer.model.outputs) != 1:
                building.refuse(name, "a model with several outputs, or other inputs than it is given")
            values[layer.name] = _run(building, layer.model, f"{name}/", given, last=end)
            continue
        make = LAYERS.get(layer.kind)
        if make is None and layer.kind not in IDENTITIES:
            building.refuse(name, f"a layer of class {layer.kind!r}", f"supported: {', '.join(SUPPORTED)}")
        if not given or (len(given) > 1 and layer.kind not in MANY):
            building.refuse(name, f"a {layer.kind} with {len(given)} inputs")
        values[layer.name] = given[0] if make is None else make(building, name, layer.config, given, end)
    return values[model.outputs[0]]


def _input_shape(model: ModelFile, graph: KerasModel) -> tuple[int, ...]:
    """The shape of the input, channels first."""
    first = next((layer for layer in graph.layers if layer.name == graph.inputs[0]), None)
    found: Any = None
    while found is None and first is not None:
        found = next((first.config[key] for key in SHAPES if key in first.config), None)
        first = first.model.layers[0] if first.model and first.model.layers else None
    found = found if found is not None else graph.config.get("build_input_shape")
    if not isinstance(found, list) or not 2 <= len(found) <= 4 or not all(_is_size(n) for n in found[1:]):
        refuse("missing-semantics", model.path, graph.name, f"its input shape is {found!r}; 1 to 3 fixed sizes are read",
               "build the model with the shape before it is saved: Input((height, width, channels))")  # fmt: skip
    *places, channels = found[1:]
    return (channels, *places)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 24
