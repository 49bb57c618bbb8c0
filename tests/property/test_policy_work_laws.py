"""What a policy says deciding takes, against machines that decide one operation after the other and count."""

from collections import Counter
from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn.policies import (
    Confidence,
    DynamicConfidence,
    Entropy,
    Fixed,
    Gate,
    Oracle,
    OracleEmpirical,
    Patience,
    SpikeCP,
    TopK,
)
from refsnn.policies.work import Count, PolicyWork
from refsnn.strategies import readouts
from refsnn.strategies.stopping import score_policies


class Machine:
    """Counts what it does; what it keeps from step to step is in `state`, what is the same for all samples in a table."""

    def __init__(self):
        self.did = Counter()
        self.state = {}

    def exceeds(self, a, b):
        self.did["compares"] += 1
        return a > b

    def add(self, a, b):
        self.did["adds"] += 1
        return a + b

    def multiply(self, a, b):
        self.did["multiplies"] += 1
        return a * b

    def exp(self, a):
        self.did["exponentials"] += 1
        return exp(a)

    def log(self, a):
        self.did["logarithms"] += 1
        return log(a)

    def divide(self, a, b):
        self.did["divisions"] += 1
        return a / b

    def table(self, entry):
        self.did["table_reads"] += 1
        return entry

    def read(self, word, first):
        self.did["state_reads"] += 1
        return self.state.get(word, first)

    def write(self, word, value):
        self.did["state_writes"] += 1
        self.state[word] = value

    def total(self, numbers):
        first, *others = numbers
        for number in others:
            first = self.add(first, number)
        return first

    def argmax(self, y):
        best = 0
        for k in range(1, len(y)):
            if self.exceeds(y[k], y[best]):
                best = k
        return best

    def top_two(self, y):
        """(decision, largest, second)."""
        first, second = (1, 0) if self.exceeds(y[1], y[0]) else (0, 1)
        for k in range(2, len(y)):
            if self.exceeds(y[k], y[second]):
                second = k
                if self.exceeds(y[second], y[first]):
                    first, second = second, first
        return first, y[first], y[second]

    def scaled(self, y, policy, t):
        if policy.accumulate == "sum" and policy.temperature == 1:
            return list(y)
        factor = self.table(1 / (policy.temperature * (t if policy.accumulate == "mean" else 1)))
        return [self.multiply(value, factor) for value in y]

    def exponentials(self, y, largest):
        """(differences to the largest, their exponentials, the sum of these)."""
        a = [self.add(value, -largest) for value in y]
        e = [self.exp(value) for value in a]
        return a, e, self.total(e)

    def entropy(self, a, e, z):
        weighted = self.total([self.multiply(x, w) for x, w in zip(a, e, strict=True)])
        return self.add(self.log(z), -self.divide(weighted, z))

    def run(self, decision):
        same = not self.exceeds(abs(decision - self.read("decision", -1)), 0)  # one compare for equality
        length = self.read("length", 0)
        length = self.add(length if same else 0, 1)
        self.write("decision", decision)
        self.write("length", length)
        return length


def top_k(m, policy, y, t):
    _, first, second = m.top_two(y)
    return m.exceeds(m.add(first, -second), m.table(policy.thresholds[t - 1]))


def confidence(m, policy, y, t):
    y = m.scaled(y, policy, t)
    _, _, z = m.exponentials(y, y[m.argmax(y)])
    return m.exceeds(m.divide(1, z), m.table(policy.threshold))


def entropy(m, policy, y, t):
    y = m.scaled(y, policy, t)
    h = m.entropy(*m.exponentials(y, y[m.argmax(y)]))
    return m.exceeds(m.table((1 - policy.threshold) * log(len(y))), h)


def patience(m, policy, y, t):
    return m.exceeds(m.run(m.argmax(y)), m.table(policy.equal - 1))


def set_size(m, policy, y, t):
    y = m.scaled(y, policy, t)
    a, _, z = m.exponentials(y, y[m.argmax(y)])
    least = m.add(m.log(z), -m.table(policy.limits[t - 1]))
    size = 0
    for value in a:
        out = m.exceeds(least, value)
        size = m.add(size, not out)  # counted whether it is in or not, as hardware does
    return not m.exceeds(size, m.table(policy.largest))


def gate(m, policy, y, t):
    decision, first, second = m.top_two(y)
    gap = m.add(first, -second)
    scaled = m.scaled(y, policy, t)
    a, e, z = m.exponentials(scaled, scaled[decision])
    certain = m.entropy(a, e, z)  # 1 - H / ln K: scale and offset are in weight and bias
    shown = [m.divide(1, z), gap, certain, m.run(decision), t]
    w = policy.weights
    total = m.table(policy.bias + w[2])
    for weight, value in zip((w[0], w[1], -w[2] / log(len(y)), w[3], w[4]), shown, strict=True):
        total = m.add(total, m.multiply(m.table(weight), value))
    threshold = policy.threshold
    return m.exceeds(
        total, m.table(log(threshold / (1 - threshold)) if 0 < threshold < 1 else inf if threshold else -inf)
    )


MACHINES = {
    TopK: top_k, Confidence: confidence, DynamicConfidence: confidence, Entropy: entropy, Patience: patience, SpikeCP: set_size,
    Gate: gate,
}  # fmt: skip


@given(case=readouts(), data=st.data())
def test_deciding_takes_what_the_policy_says(case, data):
    """In the worst case, which for all but the search for two outputs is every case; and the machine decides as the policy."""
    readout, _ = case
    policy = data.draw(score_policies(len(readout)))
    score, limits = policy.score(readout), np.broadcast_to(policy.limits, len(readout))
    said = policy.work.counts(readout.shape[2])
    for n in range(readout.shape[1]):
        machine = Machine()
        for t, y in enumerate(readout[:, n].tolist()):
            machine.did.clear()
            stops = MACHINES[type(policy)](machine, policy, y, t + 1)
            if abs(score[t, n] - limits[t]) > 1e-9 and not np.isinf(limits[t]):  # nearer, rounding decides
                assert stops == (score[t, n] > limits[t])
            searched = isinstance(policy, TopK | Gate)
            for name, count in said.items():
                assert machine.did[name] == count or (searched and name == "compares" and machine.did[name] <= count)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_search_for_two_outputs_is_longest_when_they_ascend(classes):
    machine = Machine()
    machine.top_two(list(range(classes)))
    assert machine.did["compares"] == 2 * classes - 3
    assert TopK((1.0,)).work.counts(classes)["compares"] == 2 * classes - 3 + 1


def test_who_needs_no_readout_does_nothing():
    labels = np.zeros(1, np.int64)
    for policy in (Fixed(1), Oracle(labels), OracleEmpirical(labels)):
        assert policy.work == PolicyWork()
    assert not any(PolicyWork().counts(10).values())


@given(case=readouts(), data=st.data())
def test_every_other_policy_reads_the_readout(case, data):
    assert data.draw(score_policies(len(case[0]))).work.reads_readout


def test_work_adds_up():
    one = PolicyWork(compares=Count(2, -3), reads_readout=True)
    two = PolicyWork(compares=Count(1, 1), divisions=Count(0, 1))
    assert (one + two).counts(10) == {**two.counts(10), "compares": 17 + 11}
    assert (one + two).reads_readout
