"""The plot of the teacher's layers that method dfa has chosen, with the share of each."""

import io
from collections.abc import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from core.results.report.plots import COLORS, INK

DOTS_PER_INCH = 150
BAR_HEIGHT, MARGIN = 0.22, 0.75  # inches


def aggregation_figure(weights: Mapping[str, Mapping[str, float]]) -> Figure:
    """A panel of bars for each group of layers: layer -> its share, the shares of a group summing to 1."""
    heights = [BAR_HEIGHT * len(layers) + MARGIN for layers in weights.values()]
    figure = Figure(figsize=(6.4, sum(heights)), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(weights), 1, squeeze=False, height_ratios=heights, sharex=True)[:, 0]
    for axes, (group, layers) in zip(panels, weights.items(), strict=True):
        bars = axes.barh(list(layers), list(layers.values()), color=COLORS[0], height=0.7)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8, color=INK)
        axes.invert_yaxis()  # the shallowest layer on top
        axes.set_title(group, loc="left", color=INK, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlim(0, 1.1)
    panels[-1].set_xlabel("share in the aggregated map", fontsize=9)
    return figure


def aggregation_png(weights: Mapping[str, Mapping[str, float]]) -> bytes:
    """The figure as a PNG file."""
    content = io.BytesIO()
    aggregation_figure(weights).savefig(content, format="png", dpi=DOTS_PER_INCH)
    return content.getvalue()
