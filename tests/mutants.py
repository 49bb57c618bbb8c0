"""Seeded semantic mutants: changes that a wrong understanding would make, applied one by one to a copy of the project.

    python tests/mutants.py            # needs the test environment; about an hour on two cores
    python tests/mutants.py schedules fixed        # only those of files whose names hold one of these words

For each mutant the tests run until the first failure; one that passes them all is printed as ALIVE and makes the exit code 1.
A mutant whose text is not found is an error too: the list has to follow the code. docs/mutants.md holds the last table.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# (file, text, its replacement); the first occurrence is changed
MUTANTS = (
    ("refsnn/dynamics.py", "return v + current", "return v - current"),
    ("refsnn/dynamics.py", "return v_leak + kept + gained", "return kept + gained"),
    ("refsnn/dynamics.py", "return decay * (v - v_leak)", "return decay * v"),
    ("refsnn/dynamics.py", "return v - lost + gained", "return v + gained"),
    ("refsnn/dynamics.py", "return np.ceil(v / v_threshold) - one", "return np.floor(v / v_threshold)"),
    ("refsnn/dynamics.py", "return v <= v_negative", "return v < v_negative"),
    ("refsnn/dynamics.py", "return count * v_threshold", "return v_threshold"),
    ("refsnn/dynamics.py", "return v >= v_threshold", "return v > v_threshold"),
    ("refsnn/dynamics.py", "return v > v_threshold", "return v >= v_threshold"),
    ("refsnn/dynamics.py", "return v - v_threshold", "return v - v_threshold - v_threshold"),
    ("refsnn/dynamics.py", "np.floor(z / threshold * levels + half)", "np.round(z / threshold * levels)"),
    ("refsnn/kernels/elementwise.py", "number(0.5)", "number(0.0)"),
    ("refsnn/kernels/elementwise.py", "np.clip(level, number(0), number(layer.levels))", "np.maximum(level, number(0))"),
    ("refsnn/kernels/elementwise.py", "np.sqrt(var + x.dtype.type(layer.eps))", "np.sqrt(var)"),
    ("refsnn/kernels/conv.py", "worth = x[group * per_group + c", "worth = x[0 * per_group + c"),
    ("refsnn/kernels/conv.py", ".transpose(0, 3, 4, 2, 1)", ".transpose(0, 4, 3, 2, 1)"),
    ("refsnn/kernels/conv.py", "+ c, y, column]", "+ c, column % x.shape[1], column]"),
    ("refsnn/kernels/conv.py", "outputs, 0, part[2]\n", "outputs, 0, 0\n"),
    ("refsnn/kernels/fan_in.py", "* layer.stride[1] - layer.padding[1]", "* layer.stride[1]"),
    ("refsnn/kernels/fan_in.py", "(left, left + wide)", "(left, left + wide - 1)"),
    ("refsnn/kernels/fan_in.py", " * layer.dilation[axis]", ""),
    ("refsnn/kernels/fan_in.py", "value / value.dtype.type(prod(before.kernel))", "value"),
    ("refsnn/kernels/fan_in.py", "np.add.at(total, pixel, per_pooled.ravel()[pooled])", "total[pixel] = per_pooled.ravel()[pooled]"),
    ("refsnn/kernels/fire.py", "after = builder.select(to_value, v_reset.value, u.value)", "after = u.value"),
    ("refsnn/kernels/fire.py", "fired = builder.and_(fired, allowed)", "pass"),
    ("refsnn/kernels/target.py", "v[:] = target.numbers[5]", "v[:] = 0"),
    ("refsnn/kernels/spread.py", "(ky * TAPS + TAPS - 1 - j)", "(ky * TAPS + j)"),
    ("refsnn/kernels/loops.py", "if row == y * reach.per_row else", "if True else"),
    ("refsnn/kernels/listing.py", "bits[byte + c // 8] >> (c % 8)", "bits[byte + c // 8] >> (7 - c % 8)"),
    ("refsnn/kernels/plan.py", ".sum(axis=1) * each", ".sum(axis=1)"),
    ("refsnn/kernels/linear.py", "count += x[b, i] != 0", "count += x[b, i] > 0"),
    ("refsnn/kernels/linear.py", "= current[o - part[2]] + rows.bias[o]", "= rows.bias[o] + current[o - part[2]] * 1.0000001"),
    ("refsnn/kernels/pool.py", "result[b, c, oy, ox] /= divisor", "result[b, c, oy, ox] *= 1 / divisor"),
    ("refsnn/kernels/pool.py", "elif x[b, c, iy, ix] > result[b, c, oy, ox]:", "elif x[b, c, iy, ix] >= result[b, c, oy, ox]:"),
    ("refsnn/kernels/neuron.py", "before = v if t == 0 else trace[t - 1]", "before = v"),
    ("refsnn/kernels/neuron.py", "elif fired and p.to_value:", "elif fired:"),
    ("refsnn/kernels/general.py", "v = _fitted(_reset(c, v, state.sent)", "v = _fitted(_reset(c, v, state.sent * 0)"),
    ("refsnn/kernels/general.py", "u = _fitted(_reset(c, u, state.sent)", "u = _fitted(_reset(c, u, state.sent * 0)"),
    ("refsnn/kernels/general.py", "x = np.where(waits, c.zero, x)", "pass"),
    ("refsnn/kernels/general.py", "np.where(waits, c.zero, _spikes(", "np.where(waits & False, c.zero, _spikes("),
    ("refsnn/kernels/general.py", "np.maximum(state.wait - 1, 0)", "state.wait * 0"),
    ("refsnn/kernels/general.py", "((total > 0) | (not c.after_positive))", "(total > -1)"),
    ("refsnn/kernels/general.py", "many = np.where(many > c.max_spikes, c.max_spikes, many)", "pass"),
    ("refsnn/kernels/general.py", "v = np.where(v < c.v_min, c.v_min, v)", "v = np.where(v < c.v_min, c.zero, v)"),
    ("refsnn/kernels/general.py", "state.total[b, m] += np.int32(s)", "pass"),
    ("refsnn/kernels/general.py", "state.current[b, m] = x", "pass"),
    ("refsnn/kernels/state.py", "loss=number(1) - decay", "loss=decay"),
    ("refsnn/kernels/state.py", "np.asarray(layer.v_init, np.float64)", "np.asarray(0.0 * np.asarray(layer.v_init), np.float64)"),
    ("refsnn/schedules.py", "for t in range(steps):", "for t in range(steps - 1):"),
    ("refsnn/schedules.py", "steps - 1).state", "max(steps - 2, 1)).state"),
    ("refsnn/schedules.py", "edge_delay=1", "edge_delay=0"),
    ("refsnn/schedules.py", "depth * (2 * steps - 1) + steps", "depth * 2 * steps + steps"),
    ("refsnn/signals.py", "np.where(fired, self.amplitude,", "np.where(fired, self.amplitude * 2,"),
    ("refsnn/signals.py", "[: max(steps - delay, 0)]", "[-max(steps - delay, 0) :]"),
    ("refsnn/schedules.py", "(depth + 1) * steps", "depth * steps"),
    ("refsnn/worker.py", "run.results.residual[name][...] = v[-1]", "run.results.residual[name][...] = v[0]"),
    ("refsnn/worker.py", "nearest <= error", "nearest < -error"),
    ("refsnn/running.py", "max(node.delays[i], self.context.schedule.edge_delay)", "self.context.schedule.edge_delay"),
    ("refsnn/worker.py", "beyond * (steps if len(values) == 1 else 1)", "beyond"),
    ("refsnn/worker.py", "return values != 0  # one spike", "return values == values  # one spike"),
    ("refsnn/kernels/pool.py", "fires = most > largest_before", "fires = fires"),
    ("refsnn/kernels/pool.py", "(here == most) & spiking & ~fires", "(here == most) & spiking & fires"),
    ("refsnn/kernels/elementwise.py", "np.concatenate(inputs, axis=1)", "np.concatenate(inputs[::-1], axis=1)"),
    ("refsnn/counting.py", "caused if from_spikes else zero", "caused"),
    ("refsnn/counting.py", "blank.n_neurons * updates[:, None]", "blank.n_neurons"),
    ("refsnn/counting.py", "return reached(origin.shape, pool)", "return reached(origin.shape, pool) * 0 + 1"),
    ("refsnn/counting.py", "result[i] += spikes[t, i]", "result[i] |= spikes[t, i]"),
    ("refsnn/counting.py", "total += events[b, c, i] * weight[i]", "total += (events[b, c, i] > 0) * weight[i]"),
    ("refsnn/layers.py", "read[(read >= 0) & (read < size)]", "read[(read >= 0) & (read <= size)] % size"),
    ("refsnn/layers.py", "return len(self.weight) // self.groups", "return len(self.weight)"),
    ("refsnn/trace.py", "np.arange(1, self.n_steps + 1)[:, None] <= last", "np.arange(1, self.n_steps + 1)[:, None] < last"),
    ("refsnn/drive.py", "return self.x[:steps, samples]", "return self.x[-steps:, samples]"),
    ("refsnn/drive.py", "counter=[0, 0, t, n]", "counter=[0, 0, t, row]"),
    ("refsnn/drive.py", "self.sample_shape) < self.x[samples]", "self.sample_shape) <= self.x[samples]"),
    ("refsnn/drive.py", "term = term * mean / (counts.max() or 1)", "term = term * mean"),
    ("refsnn/conversion/replacement.py", "v_init=activation.threshold / 2", "v_init=0.0"),
    ("refsnn/conversion/replacement.py", "amplitude=activation.threshold", "amplitude=1.0"),
    ("refsnn/conversion/replacement.py", "firing=Firing.AT_THRESHOLD", "firing=Firing.ABOVE_THRESHOLD"),
    ("refsnn/conversion/folding.py", "(bias - mean) * factor + beta", "bias * factor + beta"),
    ("refsnn/conversion/folding.py", "np.sqrt(var + norm.eps)", "np.sqrt(var)"),
    ("refsnn/properties.py", "np.clip(n + np.floor(v / theta).astype(np.int64), 0, steps)", "np.maximum(n + np.floor(v / theta).astype(np.int64), 0)"),
    ("refsnn/properties.py", "np.clip(np.round(q / theta), 1, steps)", "np.round(q / theta) + 1"),
    ("refsnn/exact.py", "        if error > 0 or", "        if False or"),
    ("refsnn/exact.py", "np.clip(np.round(compared / theta), 1, layer.max_spikes)", "np.round(compared / theta) * 0 + 1"),
    ("refsnn/exact.py", "near |= np.abs(compared - np.ravel(layer.v_negative)) <= error", "pass"),
    ("refsnn/exact.py", "before = self.value(node.name, t - 1, n, index) if t else v", "before = v"),
    ("refsnn/exact.py", "if error > 0 else ():", "if False else ():"),
    ("refsnn/exact.py", "Fraction(float(threshold[index])) + Fraction(1, 2)", "Fraction(float(threshold[index]))"),
    ("refsnn/exact.py", "first = channel // (outputs // layer.groups) * per_group", "first = 0"),
    ("refsnn/rounding.py", "relative * total", "0.0"),
    ("refsnn/rounding.py", "+ grid <= self.bits", "+ grid <= self.bits + 9"),
    ("refsnn/rounding.py", "(53 - exponent[present] - lowest_bit).max()", "(53 - exponent[present] - lowest_bit).min()"),
    ("refsnn/potentials.py", "s.decay * error + s.gain * came.error", "0.0"),
    ("refsnn/spans.py", "layer.fan_in * window + 5", "0"),
    ("refsnn/fixed.py", "return np.floor(k + fit.half)", "return np.rint(k)"),
    ("refsnn/fixed.py", "return np.trunc(k)", "return np.floor(k)"),
    ("refsnn/fixed.py", "np.floor((k - fit.low) / fit.span)", "np.floor(k / fit.span)"),
    ("refsnn/fixed.py", "return (k < fit.low) | (k > fit.high)", "return (k < fit.low) | (k > fit.high + 1)"),
    ("refsnn/fitting.py", "overflows[...] += beyond", "pass"),
    ("refsnn/presets.py", "_late(reset_mechanism, reset_delay, ResetTime.AFTER_CHARGE, ResetTime.BEFORE_CHARGE)", "_late(reset_mechanism, reset_delay, ResetTime.BEFORE_CHARGE, ResetTime.BEFORE_CHARGE)"),
    ("refsnn/network.py", "if isinstance(value, np.ndarray) or isinstance(default, np.ndarray) or value != default", "if isinstance(value, np.ndarray)"),
    ("refsnn/verification.py", "n * levels - reference.levels[name] * self.steps", "n * levels - reference.levels[name] * levels"),
    ("refsnn/verification.py", "decided = np.where(tie, 0, difference)", "decided = difference"),
    ("refsnn/verification.py", "tie |= local_tie", "pass"),
    ("refsnn/verification.py", "for sample, *index in np.argwhere(open_):", "for sample, *index in ():"),
    ("refsnn/verification.py", "sample=first_sample + where[0]", "sample=where[0]"),
    ("refsnn/policies/readout.py", "passed = np.asarray(score) >", "passed = np.asarray(score) >="),
    ("refsnn/policies/readout.py", "passed[-1] = True", "pass"),
    ("refsnn/policies/readout.py", "passed.argmax(0).astype(np.int64) + 1", "passed.argmax(0).astype(np.int64)"),
    ("refsnn/policies/margin.py", "confidence[-1] = 1.0", "pass"),
    ("refsnn/policies/margin.py", 'side="right"', 'side="left"'),
    ("refsnn/policies/margin.py", "ceil(1 / epsilon)", "1"),
    ("refsnn/policies/certainty.py", 'steps if accumulate == "mean" else 1', "1"),
    ("refsnn/policies/certainty.py", "/ np.log(p.shape[-1])", ""),
    ("refsnn/policies/certainty.py", "< allowed:", "<= allowed:"),
    ("refsnn/golden.py", "if manifest[key] != getattr(candidate, key):", "if False:"),
    ("refsnn/golden.py", 'if _sha(stored[name].tobytes()) != described["sha256"]:', "if False:"),
    ("refsnn/golden.py", "for node in order for kind", "for node in order[::-1] for kind"),
    ("refsnn/study.py", "    if shared:", "    if False:"),
    ("refsnn/formats/tensors.py", "if declared != present:", "if False:"),
    ("refsnn/files.py", "0o666 & ~umask", "0o600"),
    ("hwmodel/accesses.py", "node.updates // node.n_neurons * _accesses(node.n_neurons, lanes)", "node.updates"),
    ("hwmodel/accesses.py", "// node.row_length * _accesses(node.row_length, lanes)", "// lanes"),
    ("hwmodel/accesses.py", "[:, None] <= activity.steps_run", "[:, None] < activity.steps_run"),
    ("hwmodel/model.py", "step_energy += step_time * (chip.static.nominal or 0.0)", "pass"),
    ("hwmodel/model.py", "+ _barrier(chip), 0.0)", ", 0.0)"),
    ("hwmodel/model.py", "if chip.execution is Execution.PARALLEL else total + ticks", "if False else total + ticks"),
    ("hwmodel/model.py", "share = ticks / placement.cores[group]", "share = ticks"),
    ("hwmodel/placement.py", "if needed > chip.cores.count:", "if needed > chip.cores.count * 9:"),
    ("hwmodel/placement.py", "if needed > component.capacity:", "if needed > component.capacity + 1:"),
    ("hwmodel/tradeoff.py", "(energy * latency).mean()", "energy.mean() * latency.mean()"),
    ("hwmodel/units.py", '"n": "1e-9"', '"n": "1e-8"'),
)  # fmt: skip


def copied(folder: Path) -> None:
    """The project with command line and specs where the wheel puts them, so that the copy can be imported as installed."""
    for name in ("refsnn", "hwmodel", "tests", "specs", "docs", "benchmarks", ".github"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "cli.py"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "cli.py", folder / "refsnn" / "cli.py")
    shutil.copytree(ROOT / "specs", folder / "hwmodel" / "specs")


def failure(folder: Path) -> str:
    """What the copy's tests say when one fails, else nothing; those of the installation and the demo see the installed
    wheel and are left out.
    """
    left_out = ["--deselect", "tests/test_cli.py::test_the_demo", "--deselect", "tests/test_installation.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "-p", "no:cacheprovider", *left_out, "tests"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "HYPOTHESIS_PROFILE": "ci"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout[-2000:] if done.returncode else ""


def main() -> int:
    alive = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        if said := failure(folder):
            raise SystemExit(f"the tests fail without any mutant; mend them first\n{said}")
        words = sys.argv[1:] or [""]
        chosen = [mutant for mutant in MUTANTS if any(word in mutant[0] for word in words)]
        for file, text, replacement in chosen:
            path = folder / file
            original = path.read_text()
            if text not in original:
                raise SystemExit(f"{file} does not hold {text!r}; the list has to follow the code")
            path.write_text(original.replace(text, replacement, 1))
            begin = time.perf_counter()
            killed = bool(failure(folder))
            path.write_text(original)
            alive += not killed
            shown = " ".join(text.split())[:60], " ".join(replacement.split())[:60]
            print(
                f"{'killed' if killed else 'ALIVE '} {time.perf_counter() - begin:4.0f} s  {file}: {shown[0]}  ->  {shown[1]}",
                flush=True,
            )
    print(f"{len(chosen)} mutants, {alive} alive")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
