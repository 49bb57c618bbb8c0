"""The figures of a network out of its runs, and all figures as a table of at most 100 columns."""

import numpy as np

COLUMNS = {
    "images/s": 9, "batch": 9, "refsnn is": 10, "Gacc/s": 7, "MiB": 6, "of run": 7, "decided": 8, "counts": 14,
}  # fmt: skip
LABEL = 28


def of_network(case, steps, runs, seconds, failed):
    """runs: name -> (process, setting); seconds: name -> shortest time. The result holds numbers only, no text."""
    images = len(case.x)
    peaks = {name: process.ask("memory") for name, (process, _) in runs.items()}  # before results are gathered
    ours = results(*runs["refsnn"])
    counts = {name: values for name, values in ours.items() if name != "output"}
    work = {name: process.ask("work", setting) for name, (process, setting) in runs.items()}
    rows = []
    for name, (process, setting) in runs.items():
        row = {"run": name, "simulator": process.name, "images_per_s": images / seconds[name],
               "refsnn_is": seconds[name] / seconds["refsnn"]}  # fmt: skip
        synops = work["refsnn"] if work[name] is None else work[name]
        if name != "torch":  # a source network has no spikes to accumulate
            row["g_accumulates_per_s"] = synops / seconds[name] / 1e9
        if name == "refsnn" or isinstance(setting, tuple):
            row["peak_mib"], row["peak_of_run_mib"] = peaks[name][0], peaks[name][0] - peaks[name][1]
        if isinstance(setting, tuple):
            row["batch"], row["layout"] = setting
        if isinstance(setting, tuple) or name in ("Float64", "Exact"):
            row |= compared(ours, counts, results(process, setting))
        rows.append(row)
    neurons = sum(values.size for values in counts.values()) // images
    spikes = sum(int(values.sum()) for values in counts.values())
    return {
        "network": case.network.name, "steps": steps, "images": images, "seed": case.seed, "neurons": neurons,
        "counts": neurons * images, "rate": spikes / (neurons * images * steps),
        "accumulates_per_image": work["refsnn"] / images, "rows": rows, "left_out": failed,
        "threads_speed_up": seconds["one thread"] / seconds["refsnn"],
        "zero_activity_share": seconds["zero activity"] / seconds["full activity"],
        "exact_over_float64": seconds["Exact"] / seconds["Float64"],
    }  # fmt: skip


def results(process, setting):
    with np.load(process.ask("results", setting)) as file:
        return dict(file)


def compared(ours, counts, theirs):
    """How many decisions and spike counts are the same; a network without steps has no counts."""
    same = {"same_decisions": int((theirs["output"].argmax(-1) == ours["output"].argmax(-1)).sum())}
    if len(theirs) > 1:
        same["same_counts"] = sum(int((theirs[name] == values).sum()) for name, values in counts.items())
    return same


def text(result):
    """The whole result as one table."""
    machine = result["machine"]
    lines = [
        f"{machine['processor']}, {machine['threads']} threads, {machine['system']}, Python {machine['python']}",
        f"best of {machine['repeats']}; load of the machine before the first run: {machine['load']}",
    ]
    lines += roofline(result["roofline"])
    lines += ["", " " * LABEL + "".join(f"{name:>{width}}" for name, width in COLUMNS.items())]
    for network in result["networks"]:
        lines += [headline(network), *(line(network, row) for row in network["rows"])]
        lines += [f"  {peer}: left out, {why}"[:100] for peer, why in network["left_out"].items()]
        lines += [summary(network, machine["threads"], result["second_cache_g_per_s"])]
    return "\n".join(lines)


def roofline(rows):
    sizes = max((list(row["g_per_s"]) for row in rows), key=len)
    lines = [f"{'roofline, G accumulates/s':<{LABEL}}" + "".join(f"{kib:>7} KiB" for kib in sizes)]
    for row in rows:
        figures = "".join(f"{row['g_per_s'][kib]:>11.1f}" for kib in row["g_per_s"])
        name = f"  {row['threads']} thread{'s' * (row['threads'] > 1)}"
        lines.append(f"{name:<{LABEL}}{figures}")
    return lines


def headline(network):
    seed = "" if network["seed"] is None else f", seed {network['seed']}"
    return (
        f"{network['network']}: T = {network['steps']}, {network['images']} images, rate {network['rate']:.3f}, "
        f"{network['accumulates_per_image']:,.0f} accumulates per image{seed}"
    )


def line(network, row):
    """A row of the table; refsnn's own says of how many decisions and counts the others' are the same."""
    ours = row["run"] == "refsnn"
    peer = "batch" in row
    cells = (
        f"{row['images_per_s']:.1f}",
        f"{row['batch']}{' nhwc' * (row['layout'] == 'nhwc')}" if peer else "",
        "" if ours else f"{row['refsnn_is']:.2f}x",
        f"{row['g_accumulates_per_s']:.1f}" if "g_accumulates_per_s" in row else "",
        f"{row['peak_mib']}" if "peak_mib" in row else "",
        f"{row['peak_of_run_mib']}" if "peak_mib" in row else "",
        f"of {network['images']}" if ours else f"{row.get('same_decisions', '')}",
        f"of {network['counts']:,}" if ours else f"{row['same_counts']:,}" if "same_counts" in row else "",
    )
    label = row["simulator"] if ours or peer else f"  {row['run']}"
    figures = "".join(f"{c:>{width}}" for c, width in zip(cells, COLUMNS.values(), strict=True))
    return f"{'  ' + label:<{LABEL}}{figures}".rstrip()


def summary(network, threads, limit):
    (ours,) = (row["g_accumulates_per_s"] for row in network["rows"] if row["run"] == "refsnn")
    return (
        f"  {threads} threads {network['threads_speed_up']:.2f}x one; zero activity "
        f"{100 * network['zero_activity_share']:.0f} % of full; Exact {network['exact_over_float64']:.2f}x Float64; "
        f"{100 * ours / limit:.0f} % of L2 roofline"
    )
