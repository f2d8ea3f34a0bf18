"""The plots as matplotlib figures, for readers of the model card. Made without pyplot, so no state is global."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from core.results.report.outcome import Outcome, Series

INK, TEACHER = "#1d2433", "#b4690e"
COLORS = ("#3157d5", "#0f8a6d", "#b4690e", "#a23b72", "#5b6475", "#7a5cd6")
BASELINE_COLORS = {"scratch": "#7d8695", "finetune": "#7a5cd6"}
MAX_NAMED_CLASSES = 40  # beyond, tick labels would overlap
MAX_COUNTED_CLASSES = 20  # beyond, numbers would not fit their cells
NAME_LENGTH = 22


def curves_figure(outcome: Outcome) -> Figure:
    """Loss terms, validation top-1 with the teacher's level, and the learning rate, over optimizer steps."""
    figure = _figure(13, 3.9)
    loss, top1, rate = figure.subplots(1, 3)
    for index, name in enumerate(sorted(name for name in outcome.curves if name.startswith("train/loss"))):
        _draw(loss, outcome.curves[name], name.removeprefix("train/").replace("loss_", ""), COLORS[index % len(COLORS)])
    _label(loss, "Training loss")
    _draw(top1, outcome.curves.get("val/top1", []), "student", COLORS[0], scale=100, marker="o")
    for name in outcome.baselines:
        series = outcome.curves.get(f"baseline/{name}/val/top1", [])
        _draw(top1, series, name, BASELINE_COLORS.get(name, COLORS[3]), scale=100, marker="o")
    teacher = ((outcome.teacher or {}).get("validation") or {}).get("top1")
    if teacher is not None:
        top1.axhline(teacher * 100, color=TEACHER, linestyle="--", linewidth=1.2, label="teacher")
    _label(top1, "Validation top-1, %")
    _draw(rate, outcome.curves.get("learning_rate", []), "", INK)
    _label(rate, "Learning rate")
    return figure


def confusion_figure(outcome: Outcome) -> Figure:
    """The student's confusion matrix on the test split: row = true class, each row as shares of its images."""
    matrix = (outcome.metrics.get("test") or {}).get("confusion") or []
    num_classes = len(outcome.classes)
    side = min(12.0, max(4.5, 2.2 + 0.34 * num_classes))
    figure = _figure(side + 1, side)
    axes = figure.subplots()
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix]
    if shares:
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    if num_classes <= MAX_COUNTED_CLASSES:
        _write_counts(axes, matrix, shares)
    if num_classes <= MAX_NAMED_CLASSES:
        _name_ticks(axes, outcome.classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Confusion on the test split", loc="left", color=INK)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _draw(axes: Axes, series: Series, label: str, color: str, scale: float = 1, marker: str = "") -> None:
    if not series:
        return
    steps = [step for step, _ in series]
    values = [float("nan") if value is None else value * scale for _, value in series]
    marker = marker if len(series) <= 40 else ""
    axes.plot(steps, values, label=label or None, color=color, linewidth=1.6, marker=marker, markersize=3)


def _label(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("step")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=9)


def _write_counts(axes: Axes, matrix: list[list[int]], shares: list[list[float]]) -> None:
    for row, cells in enumerate(matrix):
        for column, cell in enumerate(cells):
            if cell:
                color = "white" if shares[row][column] > 0.5 else INK
                axes.text(column, row, str(cell), ha="center", va="center", color=color, fontsize=8)


def _name_ticks(axes: Axes, classes: tuple[str, ...]) -> None:
    names = [name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…" for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # a class may be called $x$
