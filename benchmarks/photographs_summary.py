"""The table and the picture of benchmarks/photographs.py."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

T_95 = {2: 12.706, 3: 4.303}  # two-sided 95% quantiles of Student's t, by number of seeds
Found = dict[str, Any]


def table(names: Sequence[str], done: Sequence[Found]) -> str:
    """A row for each name that has results: mean top-1 with its 95% interval over seeds, seconds, parameters."""
    lines = ["| row | top-1, % | seeds | seconds | parameters, M |", "|---|---|---|---|---|"]
    for name in names:
        found = [each for each in done if each["name"] == name]
        if found:
            top1 = [100 * each["top1"] for each in found]
            seconds = statistics.fmean(each["seconds"] for each in found)
            params = found[0]["num_params"] / 1e6
            lines.append(f"| {name} | {_with_interval(top1)} | {len(top1)} | {seconds:.0f} | {params:.2f} |")
    return "\n".join(lines) + "\n"


def _with_interval(values: Sequence[float]) -> str:
    mean = statistics.fmean(values)
    if len(values) not in T_95:
        return f"{mean:.1f}"
    return f"{mean:.1f} +- {T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5:.1f}"


def draw(done: Sequence[Found], path: Path) -> None:
    """Accuracy over seconds, every run a point: a filled one for the engine's jobs, an open one for plain loops."""
    figure = Figure(figsize=(9, 5.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = list(dict.fromkeys(each["name"] for each in done))
    for number, name in enumerate(names):
        found = [each for each in done if each["name"] == name]
        color = f"C{number % 10}"
        axes.scatter(
            [each["seconds"] for each in found],
            [100 * each["top1"] for each in found],
            facecolors="none" if name.startswith("plain") else color,
            edgecolors=color,
            marker="o" if number < 10 else "s",
            label=name,
        )
    axes.set_xlabel("seconds, beginning to end")
    axes.set_ylabel("test top-1, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path)
