"""The most that this machine can do: adding rows of 128 float32 weights, in random order, to sums kept in registers.

The rows together fill a stated number of bytes, so that they come from the first cache, the second one or memory.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

WIDTH, LANES = 128, 16
KIB = (8, 32, 128, 576, 2304, 32768)
L2_KIB = (128, 576)  # sizes that miss the first cache and fit the second one of current server cores


@intrinsic
def _bare_add(typing, total, weight, index, start, stop):
    """total[:128] += weight[index[e]] for e = start .. stop-1, in eight vectors."""

    def generate(context, builder, signature, arguments):
        arrays = [context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in range(3)]
        totals, weights, indices = arrays
        start, stop = arguments[3:]
        vector = ir.VectorType(ir.FloatType(), LANES)

        def at(array, place, k):
            element = builder.gep(array, [builder.add(place, ir.Constant(place.type, k * LANES))])
            return builder.bitcast(element, vector.as_pointer())

        def load(array, place, k):
            loaded = builder.load(at(array, place, k))
            loaded.align = 4
            return loaded

        zero = ir.Constant(start.type, 0)
        before = [load(totals, zero, k) for k in range(WIDTH // LANES)]
        entry = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("events", "event", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        event, *sums = builder.phi(start.type), *(builder.phi(vector) for _ in before)
        builder.cbranch(builder.icmp_signed("<", event, stop), body, done)
        builder.position_at_end(body)
        row = builder.sext(builder.load(builder.gep(indices, [event])), start.type)
        place = builder.mul(row, ir.Constant(start.type, WIDTH))
        after = [builder.fadd(value, load(weights, place, k)) for k, value in enumerate(sums)]
        following = builder.add(event, ir.Constant(start.type, 1))
        builder.branch(head)
        for phi, first, later in zip([event, *sums], [start, *before], [following, *after], strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, body)
        builder.position_at_end(done)
        for k, value in enumerate(sums):
            builder.store(value, at(totals, zero, k)).align = 4
        return context.get_dummy_value()

    return types.void(total, weight, index, types.intp, types.intp), generate


@njit(nogil=True)
def bare(total, weight, index, passes):
    for _ in range(passes):
        _bare_add(total, weight, index, 0, len(index))


def events(kib, random):
    """Weights of so many KiB, and their rows in random order, all of them, at least 512."""
    rows = kib * 1024 // (4 * WIDTH)
    index = np.concatenate([random.permutation(rows) for _ in range(-(-512 // rows))]).astype(np.int32)
    weight = aligned(rows * WIDTH)
    weight[:] = random.standard_normal(len(weight), np.float32)
    return weight, index


def aligned(count):
    """float32 numbers that begin at a cache line, so that no vector lies in two; NumPy's own begin anywhere."""
    room = np.empty(count + LANES, np.float32)
    return room[-room.ctypes.data % 64 // 4 :][:count]


def rate(kib, threads, seconds, repeats):
    """G accumulates/s of all threads together, the best of `repeats` runs of about so many seconds."""
    # every thread has weights of its own: a shared copy would be read from the other's cache
    work = [(np.zeros(WIDTH, np.float32), *events(kib, np.random.default_rng(t))) for t in range(threads)]
    per_pass = len(work[0][2]) * WIDTH
    bare(*work[0], 1)  # compiles it
    passes, taken = 1, 0.0
    while taken < seconds / 4:
        passes *= 2
        begin = time.perf_counter()
        bare(*work[0], passes)
        taken = time.perf_counter() - begin
    passes = max(1, round(passes * seconds / taken))
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            begin = time.perf_counter()
            list(pool.map(lambda arguments: bare(*arguments, passes), work))
            best = min(best, time.perf_counter() - begin)
    return threads * passes * per_pass / best / 1e9


def measured(threads, *, seconds=0.2, repeats=3, sizes=KIB):
    """One row per number of threads: {"threads", "g_per_s": {KiB: G accumulates/s}}."""
    for count in sorted({1, threads}):
        yield {"threads": count, "g_per_s": {kib: rate(kib, count, seconds, repeats) for kib in sizes}}


def second_cache(rows, threads):
    """The roofline that networks are held against: the best with rows in the second cache, on all threads."""
    found = [row["g_per_s"].get(kib, 0) for row in rows if row["threads"] == threads for kib in L2_KIB]
    return max(found, default=0)
