"""Sixteen neurons side by side through all steps: charge, fire, reset, the spikes as a word of sixteen bits.

The equations are those of `dynamics`: called with vectors in registers, their operators become the instructions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.dynamics import above_threshold, at_threshold, integrate, leak_and_integrate, subtracted
from refsnn.kernels.rows import LANES
from refsnn.kernels.vectors import Arguments, Lanes, element, load, loop, splat, store
from refsnn.neurons import IF, LIF, Firing, Reset

Array = np.ndarray[Any, Any]
LEAKY, AT_THRESHOLD, SUBTRACTS, TO_VALUE, MEASURED = 1, 2, 4, 8, 16  # bits of `choices`


def numbers(neuron: IF | LIF, dtype: np.dtype[Any]) -> Array:
    """v_threshold, v_reset, decay, gain, v_leak, v_init in the state's dtype; IF uses no leak."""
    leak = (neuron.decay, neuron.gain, neuron.v_leak) if isinstance(neuron, LIF) else (0.0, 0.0, 0.0)
    return np.array([neuron.v_threshold, neuron.v_reset, *leak, neuron.v_init], dtype)


def choices(neuron: IF | LIF, *, measured: bool) -> int:
    """The neuron's kind, comparison and reset as one number; and whether the distance to the threshold is measured."""
    reset = {Reset.SUBTRACT: SUBTRACTS, Reset.TO_VALUE: TO_VALUE, Reset.NONE: 0}[neuron.reset]
    firing = AT_THRESHOLD if neuron.firing is Firing.AT_THRESHOLD else 0
    return reset + firing + (LEAKY if isinstance(neuron, LIF) else 0) + (MEASURED if measured else 0)


def _in_registers() -> Callable[..., Any]:
    @intrinsic
    def fire(typing, size, current, from_, bias, v, counts, near, to, words, word, numbers, kind):
        """Takes the currents of sixteen neurons in each of size[0] pixels in, at all of size[1] steps.

        from_: where their current begins, how far it is to the next pixel and to the next step
        to: where their v and counts, and near if it is measured, begin, how far it is to the next pixel; the bias of the first
        word: where their spikes go, how far it is to the next pixel and to the next step
        kind: choices; the bits of those of the sixteen that are neurons
        near: the least distance of a compared potential from the threshold so far
        """
        signature = types.void(size, current, from_, bias, v, counts, near, to, words, word, numbers, kind)

        def generate(context, builder, _, values):
            if isinstance(current.dtype, types.Integer):
                return context.get_dummy_value()  # whole numbers become currents, not spikes
            given = Arguments(context, builder, signature, values)
            currents, biases, potentials, tallies, distances, masks, constants = map(
                given.pointer, (1, 3, 4, 5, 6, 8, 10)
            )
            places = given.numbers(2), given.numbers(7), given.numbers(9)
            (pixels, steps), (_, _, channel), (choice, valid) = given.numbers(0), places[1], given.numbers(11)
            vector = ir.VectorType(context.get_value_type(current.dtype), LANES)
            tally = ir.VectorType(ir.IntType(32), LANES)

            def constant(position):
                return Lanes(builder, splat(builder, element(builder, constants, steps.type(position)), LANES))

            v_threshold, v_reset, decay, gain, v_leak = (constant(k) for k in range(5))
            add = Lanes(builder, load(builder, biases, channel, vector))
            allowed = builder.bitcast(builder.trunc(valid, ir.IntType(16)), ir.VectorType(ir.IntType(1), LANES))

            def asked(bit):
                is_set = builder.icmp_signed("!=", builder.and_(choice, choice.type(bit)), choice.type(0))
                return splat(builder, is_set, LANES)

            leaky, at_or_above, subtracts, to_value = (asked(bit) for bit in (LEAKY, AT_THRESHOLD, SUBTRACTS, TO_VALUE))

            def any_kind(v, x):
                leaked = leak_and_integrate(v, x, decay, gain, v_leak).value
                u = Lanes(builder, builder.select(leaky, leaked, integrate(v, x).value))
                fired = builder.select(at_or_above, at_threshold(u, v_threshold), above_threshold(u, v_threshold))
                after = builder.select(to_value, v_reset.value, u.value)
                return u, fired, builder.select(subtracts, subtracted(u, v_threshold).value, after)

            def usual_kind(v, x):
                u = integrate(v, x)
                return u, at_threshold(u, v_threshold), subtracted(u, v_threshold).value

            def nearer(near, u):
                above, below = (u - v_threshold).value, (v_threshold - u).value
                apart = builder.select(at_threshold(u, v_threshold), above, below)
                return builder.select(builder.fcmp_ordered("<", apart, near), apart, near)

            def all_pixels(equations, measured):
                def pixel(p, _):
                    at, place, word = (builder.add(begin, builder.mul(p, apart)) for begin, apart, _ in places)

                    def step(t, carried):
                        here = builder.add(at, builder.mul(t, places[0][2]))
                        x = Lanes(builder, load(builder, currents, here, vector)) + add
                        u, fired, after = equations(Lanes(builder, carried[0]), x)
                        fired = builder.and_(fired, allowed)
                        spikes = builder.bitcast(fired, ir.IntType(16))
                        store(builder, spikes, masks, builder.add(word, builder.mul(t, places[2][2])))
                        total = builder.add(carried[1], builder.zext(fired, tally))
                        distance = [nearer(carried[2], u)] if measured else []
                        return [builder.select(fired, after, u.value), total, *distance]

                    kept = [(potentials, vector), (tallies, tally), (distances, vector)][: 3 if measured else 2]
                    before = [load(builder, array, place, kind_of_vector) for array, kind_of_vector in kept]
                    results = loop(builder, steps.type(0), steps, before, step)
                    for (array, _), result in zip(kept, results, strict=True):
                        store(builder, result, array, place)
                    return []

                loop(builder, pixels.type(0), pixels, [], pixel)

            # the neurons of converted networks get a loop in which nothing is left to choose
            usual = builder.icmp_signed("==", choice, choice.type(AT_THRESHOLD + SUBTRACTS))
            with builder.if_else(usual) as (then, otherwise):
                with then:
                    all_pixels(usual_kind, measured=False)
                with otherwise:
                    watched = builder.icmp_signed("!=", builder.and_(choice, choice.type(MEASURED)), choice.type(0))
                    with builder.if_else(watched) as (measuring, unmeasured):
                        with measuring:
                            all_pixels(any_kind, measured=True)
                        with unmeasured:
                            all_pixels(any_kind, measured=False)
            return context.get_dummy_value()

        return signature, generate

    return fire


def _in_python() -> Callable[..., Any]:
    """The same loops without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def fire(size, current, from_, bias, v, counts, near, to, words, word, numbers, kind):
        v_threshold, v_reset, decay, gain, v_leak = numbers[:5]
        choices, allowed = kind[0], kind[1] >> np.arange(LANES) & 1 == 1
        for pixel in range(size[0]):
            lanes = slice(to[0] + pixel * to[1], to[0] + pixel * to[1] + LANES)
            for t in range(size[1]):
                at = from_[0] + pixel * from_[1] + t * from_[2]
                x = current[at : at + LANES] + bias[to[2] : to[2] + LANES]
                u = leak_and_integrate(v[lanes], x, decay, gain, v_leak) if choices & LEAKY else integrate(v[lanes], x)
                fired = at_threshold(u, v_threshold) if choices & AT_THRESHOLD else above_threshold(u, v_threshold)
                fired &= allowed
                if choices & MEASURED:
                    near[lanes] = np.minimum(near[lanes], np.abs(u - v_threshold))
                after = v_reset if choices & TO_VALUE else u
                v[lanes] = np.where(fired, subtracted(u, v_threshold) if choices & SUBTRACTS else after, u)
                counts[lanes] += fired
                words[word[0] + pixel * word[1] + t * word[2]] = (fired << np.arange(LANES)).sum()

    return fire


fire = _in_python() if getattr(config, "DISABLE_JIT", 0) else _in_registers()
