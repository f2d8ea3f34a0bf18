"""Test accuracy over seconds as a picture: a panel for each kind of lesson, all other methods in grey behind."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.comparison.summary import Group

PANELS = ("nothing of a frozen teacher", "soft labels", "features", "soft labels and features")
NUM_COLORS = 10  # of matplotlib's own cycle
LINE_STYLES = ("-", "--", ":")
GREY = "#d8dbe2"


def mean_curve(group: Group) -> list[tuple[float, float]]:
    """(seconds, test top-1) of the checkpoints, each the mean over seeds."""
    points = zip(*(outcome["curve"] for outcome in group.outcomes), strict=True)
    return [tuple(statistics.fmean(each[part] for each in point) for part in (0, 2)) for point in points]


def draw(groups: Sequence[Group], path: Path, title: str) -> None:
    """One curve a method, the mean over its seeds, from the start of its training phase."""
    figure = Figure(figsize=(15, 11), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    done = [group for group in groups if group.outcomes]
    curves = {group.label: mean_curve(group) for group in done}
    for panel, axes in zip(PANELS, figure.subplots(2, 2, sharex=True, sharey=True).flat, strict=True):
        for curve in curves.values():
            _plot(axes, curve, color=GREY, linewidth=0.8, zorder=1)
        mine = [group for group in done if group.outcomes[0]["asks"] == panel]
        for number, group in enumerate(sorted(mine, key=lambda group: -curves[group.label][-1][1])):
            style = LINE_STYLES[number // NUM_COLORS % len(LINE_STYLES)]
            _plot(
                axes,
                curves[group.label],
                color=f"C{number % NUM_COLORS}",
                linestyle=style,
                linewidth=1.6,
                label=group.label,
                zorder=2,
            )
        axes.set_title(f"what teaches: {panel}", loc="left")
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
        if mine:
            axes.legend(fontsize=8, loc="lower right", title="best first")
    figure.supxlabel("seconds of the training phase")
    figure.supylabel("test top-1, %")
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _plot(axes: Axes, curve: Sequence[tuple[float, float]], **style: object) -> None:
    axes.plot([seconds for seconds, _ in curve], [100 * share for _, share in curve], **style)
