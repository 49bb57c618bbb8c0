"""What the spikes of a recorded run touch of convolutions on crossbars: windows, rows and output sites, tile by tile."""

from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np

from refsnn.drive import as_drive
from refsnn.layers import Conv2d, Shape
from refsnn.network import Network
from refsnn.replay import Recorded
from refsnn.trace import IntArray, Trace

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchCounts:
    """Of one convolution, whose input channels are dealt to tiles of `tile` channels each. All of everything is touched in a
    step whose input is not 0 and 1 alone.
    """

    tile: int
    patches: IntArray  # [T, N]: (output pixel, tile) with a spike in the window
    rows: IntArray  # [T, N, tiles]: spikes in the windows of all output pixels
    sites: IntArray  # [T, N]: output pixels with a spike in the window


def patch_counts(network: Network, trace: Trace, x: Any, tile: int = 64) -> dict[str, PatchCounts]:
    """What each Conv2d without groups reads in the run of x whose spikes the trace has recorded, by node."""
    run = Recorded.of(network, trace, as_drive(x, network.input_shape))
    parts: dict[str, list[tuple[Array, Array, Array]]] = {}
    for samples in run.chunks():
        received = run.received(samples)
        for node in network.nodes:
            if isinstance(node.layer, Conv2d) and node.layer.groups == 1:
                values = received[node.name][0].values
                x_all = np.broadcast_to(values, (trace.steps, *values.shape[1:]))
                parts.setdefault(node.name, []).append(_touched(node.layer, x_all, tile))
    found = {}
    for name, several in parts.items():
        patches, rows, sites = (np.concatenate(arrays, axis=1) for arrays in zip(*several, strict=True))
        found[name] = PatchCounts(tile=tile, patches=patches, rows=rows, sites=sites)
    return found


def _touched(layer: Conv2d, x: Array, tile: int) -> tuple[Array, Array, Array]:
    """Patches, rows, sites of x [T, N, C, H, W]."""
    lead, shape = x.shape[:2], x.shape[2:]
    tiles = ceil(shape[0] / tile)
    binary = np.asarray(np.isin(x, (0.0, 1.0)).all(axis=(2, 3, 4)))
    padded = np.pad(
        (x != 0).astype(np.int64).reshape(-1, *shape), ((0, 0), (0, tiles * tile - shape[0]), (0, 0), (0, 0))
    )
    per_tile = padded.reshape(len(padded), tiles, tile, *shape[1:]).sum(2)
    spikes = _in_windows(layer, per_tile).reshape(*lead, tiles, -1)
    patches, rows = np.count_nonzero(spikes, axis=(2, 3)), spikes.sum(3)
    sites = np.count_nonzero(spikes.any(axis=2), axis=2)
    dense = _dense(layer, shape, tile)
    return (
        np.where(binary, patches, dense[0]),
        np.where(binary[..., None], rows, dense[1]),
        np.where(binary, sites, dense[2]),
    )


def _dense(layer: Conv2d, shape: Shape, tile: int) -> tuple[int, Array, int]:
    pixels = prod(layer.output_shape(shape)[1:])
    channels = np.array([min(tile, shape[0] - start) for start in range(0, shape[0], tile)])
    return pixels * len(channels), pixels * channels * prod(layer.weight.shape[2:]), pixels


def _in_windows(layer: Conv2d, x: Array) -> Array:
    """Sum over the kernel's window of x [B, C, H, W], channel by channel."""
    kernel = layer.weight.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in layer.padding)))
    rows, columns = layer.output_shape((layer.weight.shape[1], *x.shape[2:]))[1:]
    total = np.zeros((*x.shape[:2], rows, columns), np.int64)
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            shifted = padded[:, :, ky * layer.dilation[0] :, kx * layer.dilation[1] :]
            total += shifted[:, :, :: layer.stride[0], :: layer.stride[1]][:, :, :rows, :columns]
    return total
