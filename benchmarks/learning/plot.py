"""Test accuracy over seconds as a picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.learning.summary import Group, best_textbook

COLORS = ("#1d2433", "#3157d5", "#0f8a6d", "#b4690e", "#a23b72", "#5b6475", "#7a5cd6")


def draw(groups: Sequence[Group], path: Path) -> None:
    """One curve for each training, from the start of its process; runs of fewer steps are drawn thinner."""
    figure = Figure(figsize=(10, 6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels = list(dict.fromkeys(group.label for group in groups))
    most = max(group.steps for group in groups)
    for group in groups:
        color = COLORS[labels.index(group.label) % len(COLORS)]
        for number, outcome in enumerate(group.outcomes):
            seconds = [outcome.before_seconds + point[0] for point in outcome.curve]
            shares = [100 * point[2] for point in outcome.curve]
            named = group.label if number == 0 and group.steps == most else None
            axes.plot(seconds, shares, color=color, linewidth=1.8 if group.steps == most else 0.8, label=named)
    axes.axhline(100 * best_textbook(groups).accuracy, color=COLORS[0], linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("seconds from the start of the process")
    axes.set_ylabel("test top-1, %")
    axes.set_title("Ten classes of CIFAR-100, 500 images each; thin: fewer steps", loc="left")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
