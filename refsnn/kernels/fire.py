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
from refsnn.kernels.vectors import Arguments, Lanes, element, load, loop, splat, store
from refsnn.neurons import IF, LIF, Firing, Reset

Array = np.ndarray[Any, Any]
LANES = 16
LEAKY, AT_THRESHOLD, SUBTRACTS, TO_VALUE = 1, 2, 4, 8  # bits of `choices`
RESETS = (0, SUBTRACTS, TO_VALUE)


def numbers(neuron: IF | LIF, dtype: np.dtype[Any]) -> Array:
    """v_threshold, v_reset, decay, gain, v_leak, v_init in the state's dtype; IF uses no leak."""
    leak = (neuron.decay, neuron.gain, neuron.v_leak) if isinstance(neuron, LIF) else (0.0, 0.0, 0.0)
    return np.array([neuron.v_threshold, neuron.v_reset, *leak, neuron.v_init], dtype)


def choices(neuron: IF | LIF) -> int:
    """The neuron's kind, comparison and reset as one number."""
    reset = {Reset.SUBTRACT: SUBTRACTS, Reset.TO_VALUE: TO_VALUE, Reset.NONE: 0}[neuron.reset]
    firing = AT_THRESHOLD if neuron.firing is Firing.AT_THRESHOLD else 0
    return reset + firing + (LEAKY if isinstance(neuron, LIF) else 0)


def _in_registers() -> Callable[..., Any]:
    @intrinsic
    def fire(typing, steps, current, at, stride, bias, channel, v, counts, to, words, word, apart, valid, numbers, choices):
        """v[to ..] and counts[to ..] after the steps; words[word + t * apart] gets the spikes of step t.

        The current of step t begins at current[at + t * stride]; bias[channel ..] is added to it.
        valid: the bits of lanes that hold a neuron.
        """
        signature = types.void(
            steps, current, at, stride, bias, channel, v, counts, to, words, word, apart, valid, numbers, choices
        )

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            currents, biases, potentials, tallies, masks, constants = (given.pointer(k) for k in (1, 4, 6, 7, 9, 13))
            steps, at, stride, channel, to, word, apart, valid, choice = (
                given.number(k) for k in (0, 2, 3, 5, 8, 10, 11, 12, 14)
            )
            vector = ir.VectorType(context.get_value_type(current.dtype), LANES)
            tally = ir.VectorType(ir.IntType(32), LANES)

            def constant(position):
                number = element(builder, constants, ir.Constant(at.type, position))
                return Lanes(builder, splat(builder, number, LANES))

            v_threshold, v_reset, decay, gain, v_leak = (constant(k) for k in range(5))
            add = Lanes(builder, load(builder, biases, channel, vector))
            allowed = builder.bitcast(builder.trunc(valid, ir.IntType(16)), ir.VectorType(ir.IntType(1), LANES))
            start = [load(builder, potentials, to, vector), load(builder, tallies, to, tally)]

            def all_steps(kind):
                """The loop over steps of one kind of neuron: nothing is left to choose inside."""

                def step(t, carried):
                    v = Lanes(builder, carried[0])
                    x = Lanes(builder, load(builder, currents, builder.add(at, builder.mul(t, stride)), vector)) + add
                    u = leak_and_integrate(v, x, decay, gain, v_leak) if kind & LEAKY else integrate(v, x)
                    fired = at_threshold(u, v_threshold) if kind & AT_THRESHOLD else above_threshold(u, v_threshold)
                    fired = builder.and_(fired, allowed)
                    after = v_reset if kind & TO_VALUE else u
                    after = subtracted(u, v_threshold) if kind & SUBTRACTS else after
                    place = builder.add(word, builder.mul(t, apart))
                    store(builder, builder.bitcast(fired, ir.IntType(16)), masks, place)
                    total = builder.add(carried[1], builder.zext(fired, tally))
                    return [builder.select(fired, after.value, u.value), total]

                v_after, total = loop(builder, steps.type(0), steps, start, step)
                store(builder, v_after, potentials, to)
                store(builder, total, tallies, to)

            done = builder.append_basic_block("done")
            kinds = [leak + firing + reset for leak in (0, LEAKY) for firing in (0, AT_THRESHOLD) for reset in RESETS]
            switch = builder.switch(choice, done)
            for kind in kinds:
                block = builder.append_basic_block("kind")
                switch.add_case(choice.type(kind), block)
                builder.position_at_end(block)
                all_steps(kind)
                builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        return signature, generate

    return fire


def _in_python() -> Callable[..., Any]:
    """The same loop without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def fire(steps, current, at, stride, bias, channel, v, counts, to, words, word, apart, valid, numbers, choices):
        v_threshold, v_reset, decay, gain, v_leak = numbers[:5]
        lanes = slice(to, to + LANES)
        allowed = valid >> np.arange(LANES) & 1 == 1
        for t in range(steps):
            x = current[at + t * stride : at + t * stride + LANES] + bias[channel : channel + LANES]
            u = leak_and_integrate(v[lanes], x, decay, gain, v_leak) if choices & LEAKY else integrate(v[lanes], x)
            fired = at_threshold(u, v_threshold) if choices & AT_THRESHOLD else above_threshold(u, v_threshold)
            fired &= allowed
            after = v_reset if choices & TO_VALUE else u
            v[lanes] = np.where(fired, subtracted(u, v_threshold) if choices & SUBTRACTS else after, u)
            counts[lanes] += fired
            words[word + t * apart] = (fired << np.arange(LANES)).sum()

    return fire


fire = _in_python() if getattr(config, "DISABLE_JIT", 0) else _in_registers()
