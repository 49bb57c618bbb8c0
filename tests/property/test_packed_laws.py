"""Pools as fan-in, and the fused kernels on packed spikes: each against the naive kernels, one after the other, bit for bit."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical

from refsnn import strategies as snn
from refsnn.errors import SpecError
from refsnn.kernels import bits, conv, fan_in, general, linear, packed
from refsnn.kernels.state import at_rest
from refsnn.layers import AvgPool2d, Conv2d, GlobalAvgPool2d, Linear, SumPool2d

dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32)


def rough(seed, shape, dtype=np.float64):
    """Numbers with all their bits."""
    return np.random.Generator(np.random.PCG64(seed)).normal(size=shape).astype(dtype)


def spike_train(seed, shape):
    """A sixth of all neurons, and now and then all or none of a step."""
    draw = np.random.Generator(np.random.PCG64(seed))
    rate = draw.choice([0.0, 1 / 6, 1 / 6, 1 / 6, 0.5, 1.0], size=(shape[0], *[1] * (len(shape) - 1)))
    return draw.random(shape) < rate


@st.composite
def weight_layers(draw, shape):
    """A convolution or Linear, with weights that have all their bits, on what a map of this shape holds."""
    seed, with_bias = draw(seeds), draw(st.booleans())
    kind = draw(st.sampled_from(["linear", "any", "3 x 3", "3 x 3"]))
    if kind == "linear":
        outputs = draw(st.integers(1, 100))
        return Linear(weight=rough(seed, (outputs, prod(shape))), bias=rough(seed + 1, outputs) if with_bias else None)
    channels, *sizes = shape
    if kind == "3 x 3":  # with stride 1: events are spread, not gathered
        outputs = draw(st.integers(1, 100))
        around = tuple(draw(st.integers(max(0, (4 - size) // 2), 2)) for size in sizes)
        return Conv2d(weight=rough(seed, (outputs, channels, 3, 3)), padding=around,
                      bias=rough(seed + 1, outputs) if with_bias else None)  # fmt: skip
    groups = draw(st.sampled_from([1, 1, *[g for g in (2, 4, channels) if channels % g == 0]]))
    outputs = groups * draw(st.integers(1, 100 // groups))
    around = (draw(st.sampled_from([1, 0, 2, 3])), draw(st.sampled_from([1, 0, 2, 3])))
    kernel = tuple(min(draw(st.integers(1, 3)), size + 2 * pad) for size, pad in zip(sizes, around, strict=True))
    gap = tuple(
        draw(st.sampled_from([1, 1, 1, 2])) if 2 * (k - 1) < size + 2 * pad else 1
        for k, size, pad in zip(kernel, sizes, around, strict=True)
    )
    step = draw(st.sampled_from([(1, 1), (1, 1), (1, 2), (2, 1), (3, 2)]))
    return Conv2d(weight=rough(seed, (outputs, channels // groups, *kernel)), stride=step, padding=around, dilation=gap,
                  bias=rough(seed + 1, outputs) if with_bias else None, groups=groups)  # fmt: skip


@st.composite
def summing_pools(draw, shape):
    """No pool, a pool that tiles the map, one that overlaps or is padded, a global one."""
    kind = draw(st.sampled_from([AvgPool2d, SumPool2d]))
    tiles = [kind(kernel=k) for k in ((2, 2), (1, 3), (2, 1)) if k[0] <= shape[1] and k[1] <= shape[2]]
    overlapping = kind(kernel=(min(2, shape[1]), min(3, shape[2])), stride=(1, 1), padding=(0, 1))
    return draw(
        st.sampled_from([None, GlobalAvgPool2d(), *tiles, overlapping, overlapping])
        | snn.pools(shape, kinds=(kind,), largest=3)
    )


@dataclass
class Case:
    shape: tuple
    pool: object
    layer: object
    seed: int
    dtype: type

    @property
    def in_layer(self):
        """A pool as the kernels of one layer take it."""
        return self.pool.as_pool(self.shape) if isinstance(self.pool, GlobalAvgPool2d) else self.pool

    def naive(self, x):
        """The weight layer on the pool's input [B, *shape]."""
        if isinstance(self.layer, Linear):
            return linear.naive(self.layer, x.reshape(len(x), -1) if self.pool is None else x, self.in_layer)
        return conv.naive(self.layer, x, self.in_layer)

    def fast(self, x):
        if isinstance(self.layer, Linear):
            return linear.fast(self.layer, x.reshape(len(x), -1) if self.pool is None else x, self.in_layer)
        return conv.fast(self.layer, x, self.in_layer)


@st.composite
def cases(draw, channels=40, largest=6):
    shape = (draw(st.integers(1, channels)), draw(st.integers(1, largest)), draw(st.integers(1, largest)))
    pool = draw(summing_pools(shape))
    read = shape if pool is None else pool.output_shape(shape)
    return Case(shape, pool, draw(weight_layers(read)), draw(seeds), draw(dtypes))


def naive_neurons(cell, current, steps):
    """Spikes, counts and residual as the naive kernel gives them: current [S, B, *shape]."""
    flat = current.reshape(*current.shape[:2], -1)
    fired = general.naive(cell, flat, at_rest(cell, *flat.shape[1:], flat.dtype), steps)
    spikes, v, shape = fired.spikes.astype(np.bool_), fired.v, current.shape[1:]
    return spikes.reshape(steps, *shape), spikes.sum(axis=0, dtype=np.int32).reshape(shape), v[-1].reshape(shape)


def room(samples, shape, dtype):
    return {"counts": np.full((samples, *shape), -1, np.int32), "residual": np.full((samples, *shape), np.nan, dtype)}


@given(case=cases(channels=4, largest=5), samples=st.integers(1, 3))
def test_naive_and_fast_agree_behind_a_pool(case, samples):
    x = rough(case.seed, (samples, *case.shape), case.dtype) * (rough(case.seed + 1, (samples, *case.shape)) > 0)
    assert_identical(case.fast(x.astype(case.dtype)), case.naive(x.astype(case.dtype)))


@given(case=cases(), cell=snn.neurons(), samples=st.integers(1, 3), steps=st.integers(1, 6) | st.just(70))
def test_packed_is_the_naive_layer_then_the_naive_neuron(case, cell, samples, steps):
    spikes = spike_train(case.seed, (steps, samples, *case.shape))
    value = case.dtype(cell.amplitude * 1.1)
    x = np.where(spikes, value, case.dtype(0))
    current = case.naive(x.reshape(-1, *case.shape))
    current = current.reshape(steps, samples, *current.shape[1:])
    fired, counts, residual = naive_neurons(cell, current, steps)

    prepared = packed.plan(case.layer, case.shape, value, np.dtype(case.dtype), case.pool)
    filled = room(samples, prepared.shape, case.dtype)
    train = packed.fire(prepared, cell, bits.pack(spikes), **filled)
    assert_identical(bits.unpack(train, prepared.shape), fired)
    assert_identical(train, bits.pack(fired))
    assert_identical(filled["counts"], counts)
    assert_identical(filled["residual"], residual)
    assert_identical(packed.currents(prepared, bits.pack(spikes)), current)


@given(case=cases(channels=3, largest=4))
def test_naive_adds_in_the_order_of_its_words(case):
    """Against scalars: (ky, py, kx, px, c) for a convolution, (c, y, py, x, px) for Linear, each event worth value / area."""
    case.layer = with_few_outputs(case.layer)
    x = rough(case.seed, (1, *case.shape), case.dtype)
    pool = case.in_layer or SumPool2d(kernel=(1, 1))
    worth = x[0] / case.dtype(prod(pool.kernel)) if isinstance(pool, AvgPool2d) else x[0]
    pooled = pool.output_shape(case.shape)

    def inside(c, y, py, column, px):
        iy, ix = y * pool.strides[0] + py - pool.padding[0], column * pool.strides[1] + px - pool.padding[1]
        within = 0 <= y < pooled[1] and 0 <= column < pooled[2] and 0 <= iy < x.shape[2] and 0 <= ix < x.shape[3]
        return worth[c, iy, ix] if within else None

    order = linear_order if isinstance(case.layer, Linear) else conv_order
    weight = case.layer.weight.astype(case.dtype)
    expected = np.empty(
        (1, *case.layer.output_shape((prod(pooled),) if isinstance(case.layer, Linear) else pooled)), x.dtype
    )
    for at in np.ndindex(expected.shape[1:]):
        total = case.dtype(0)
        for tap, place in order(case.layer, pool, pooled, at):
            value = inside(*place)
            if value is not None:
                total = total + weight[tap] * value
        bias = case.dtype(0) if case.layer.bias is None else case.layer.bias.astype(case.dtype)[at[0]]
        expected[(0, *at)] = total + bias
    assert_identical(case.naive(x), expected)


def with_few_outputs(layer):
    """The layer with three outputs at most of each group, for a loop over scalars is slow."""
    if isinstance(layer, Linear):
        kept = slice(3)
    else:
        kept = np.arange(len(layer.weight)) % (len(layer.weight) // layer.groups) < 3
    return replace(layer, weight=layer.weight[kept], bias=None if layer.bias is None else layer.bias[kept])


def linear_order(layer, pool, pooled, at):
    for c in range(pooled[0]):
        for y in range(pooled[1]):
            for py in range(pool.kernel[0]):
                for column in range(pooled[2]):
                    for px in range(pool.kernel[1]):
                        yield (at[0], (c * pooled[1] + y) * pooled[2] + column), (c, y, py, column, px)


def conv_order(layer, pool, pooled, at):
    outputs, per_group, tall, wide = layer.weight.shape
    group = at[0] // (outputs // layer.groups)
    for ky in range(tall):
        for py in range(pool.kernel[0]):
            for kx in range(wide):
                for px in range(pool.kernel[1]):
                    for c in range(per_group):
                        y = at[1] * layer.stride[0] + ky * layer.dilation[0] - layer.padding[0]
                        column = at[2] * layer.stride[1] + kx * layer.dilation[1] - layer.padding[1]
                        yield (at[0], c, ky, kx), (group * per_group + c, y, py, column, px)


@given(conv1d=snn.convolutions_1d((4, 9)), cell=snn.neurons(), seed=seeds, dtype=dtypes)
def test_packed_signals_are_maps_of_one_row(conv1d, cell, seed, dtype):
    spikes = spike_train(seed, (5, 2, 4, 9))
    current = conv.naive(conv1d, spikes.reshape(10, 4, 9).astype(dtype))
    prepared = packed.plan(conv1d, (4, 9), 1.0, np.dtype(dtype))
    current = current.reshape(5, 2, *prepared.shape)
    assert_identical(packed.currents(prepared, bits.pack(spikes)), current)
    filled = room(2, prepared.shape, dtype)
    train = packed.fire(prepared, cell, bits.pack(spikes), **filled)
    assert_identical(bits.unpack(train, prepared.shape), naive_neurons(cell, current, 5)[0])


@given(
    cell=snn.neurons(),
    shape=st.tuples(st.integers(1, 40))
    | st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4))
    | st.tuples(st.integers(1, 40), st.integers(1, 2), st.integers(15, 40)),
    steps=st.integers(1, 6) | st.just(70),
    constant=st.booleans(),
    seed=seeds,
    dtype=dtypes,
)
def test_packed_neurons_are_the_naive_ones(cell, shape, steps, constant, seed, dtype):
    current = rough(seed, (1 if constant else steps, 3, *shape), dtype)
    current[rough(seed + 1, current.shape) > 1] = -0.0
    fired, counts, residual = naive_neurons(cell, current, steps)
    filled = room(3, shape, dtype)
    train = packed.fire_currents(cell, current, steps, **filled)
    assert_identical(train, bits.pack(fired))
    assert_identical(filled["counts"], counts)
    assert_identical(filled["residual"], residual)


@given(samples=st.integers(15, 40), channels=st.integers(1, 40), seed=seeds)
def test_packed_linear_takes_many_samples(samples, channels, seed):
    """More than walk through the weight rows together."""
    layer = Linear(weight=rough(seed, (70, channels)))
    spikes = spike_train(seed, (3, samples, channels))
    current = linear.naive(layer, spikes.reshape(-1, channels).astype(np.float64)).reshape(3, samples, 70)
    prepared = packed.plan(layer, (channels,), 1.0, np.dtype(np.float64))
    assert_identical(packed.currents(prepared, bits.pack(spikes)), current)


@given(
    shape=st.tuples(st.integers(1, 40))
    | st.tuples(st.integers(1, 40), st.integers(1, 5))
    | st.tuples(st.integers(1, 40), st.integers(1, 5), st.integers(1, 5)),
    seed=seeds,
)
def test_unpacking_undoes_packing(shape, seed):
    spikes = spike_train(seed, (3, 2, *shape))
    packed_train = bits.pack(spikes)
    assert packed_train.shape[:2] == (3, 2)
    assert packed_train.shape[-1] % 2 == 0
    assert_identical(bits.unpack(packed_train, shape), spikes)


@given(case=cases())
def test_counts_are_what_enumeration_gives(case):
    """Every spike once for each window that it reaches, and for each output that the window reaches."""
    spikes = spike_train(case.seed, (2, 2, *case.shape))
    pool = case.in_layer or SumPool2d(kernel=(1, 1))
    pooled = pool.output_shape(case.shape)
    flat = (prod(pooled),) if isinstance(case.layer, Linear) else pooled
    per_pooled = case.layer.fan_out(flat).reshape(pooled)
    events, synops = np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64)
    for c, y, x, py, px in np.ndindex(*pooled, *pool.kernel):
        iy, ix = y * pool.strides[0] + py - pool.padding[0], x * pool.strides[1] + px - pool.padding[1]
        if 0 <= iy < case.shape[1] and 0 <= ix < case.shape[2]:
            events += spikes[:, :, c, iy, ix]
            synops += spikes[:, :, c, iy, ix] * per_pooled[c, y, x]
    train = bits.pack(spikes)
    assert_identical(bits.count(train, fan_in.fan_out(case.layer, case.shape, case.pool)), synops)
    assert_identical(bits.count(train, fan_in.reached(case.shape, pool)), events)
    assert_identical(bits.count(train, np.ones(case.shape[1:], np.int64)), spikes.sum(axis=(2, 3, 4), dtype=np.int64))


@given(case=cases(), largest=st.sampled_from([1, 7, 127]), steps=st.integers(1, 3))
def test_integer_sums_are_exact(case, largest, steps):
    """Against int64, in 16 bits where the weights cannot leave them and in 32 elsewhere; a mean adds up only."""
    layer = whole(case.layer, case.seed, largest)
    spikes = spike_train(case.seed, (steps, 2, *case.shape))
    pool = case.in_layer
    if isinstance(pool, AvgPool2d):
        pool = SumPool2d(kernel=pool.kernel, stride=pool.stride, padding=pool.padding)
    exact = replace(case, layer=layer, pool=pool).naive(spikes.reshape(-1, *case.shape).astype(np.int64))
    prepared = packed.integer_plan(layer, case.shape, case.pool)
    current = packed.currents(prepared, bits.pack(spikes))
    assert current.dtype in (np.int16, np.int32)
    assert_identical(current.astype(np.int64), exact.reshape(current.shape))


def whole(layer, seed, largest):
    draw = np.random.Generator(np.random.PCG64(seed))
    bias = None if layer.bias is None else draw.integers(-largest, largest, layer.bias.shape, endpoint=True)
    return replace(layer, weight=draw.integers(-largest, largest, layer.weight.shape, endpoint=True), bias=bias)


@pytest.mark.parametrize("value", [0.5, 128.0, -129.0])
def test_integer_plans_refuse_other_numbers(value):
    layer = Linear(weight=np.array([[1.0, value]]))
    with pytest.raises(
        SpecError, match="^weight: expected whole numbers from -128 to 127, and a bias of whole numbers$"
    ):
        packed.integer_plan(layer, (2,))


def test_integer_plans_refuse_sums_beyond_32_bits():
    layer = Linear(weight=np.array([[1.0]]), bias=np.array([2.0**31 - 1]))
    with pytest.raises(SpecError, match="^weight: a sum may reach 2147483648, which 32 bits do not hold$"):
        packed.integer_plan(layer, (1,))


def test_integer_sums_allow_for_the_pool():
    """20 channels of 16 pixels, each times 127: 40640 does not fit into 16 bits, though 20 times 127 does."""
    layer, pool = Conv2d(weight=np.full((1, 20, 1, 1), 127.0)), SumPool2d(kernel=(4, 4))
    prepared = packed.integer_plan(layer, (20, 4, 4), pool)
    current = packed.currents(prepared, bits.pack(np.ones((1, 1, 20, 4, 4), np.bool_)))
    assert_identical(current, np.full((1, 1, 1, 1, 1), 40640, np.int32))
