"""Line charts over optimizer steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from core.results.report.charts.ticks import Axis, axis, tick_text
from core.results.report.outcome import Series

WIDTH, HEIGHT = 380.0, 236.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 372.0, 10.0, 208.0
MAX_POINTS = 300  # about one a pixel; more would only weigh
MAX_DOTS = 25  # few points are shown as dots besides

Points = list[tuple[float, float | None]]


@dataclass(frozen=True)
class Line:
    """`path` is SVG path data; `dots` are (x, y, text). `color` is the name of a color of the page."""

    name: str
    color: str
    path: str
    dots: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Level:
    """A horizontal line at `y` that says `name`."""

    name: str
    color: str
    y: float
    text: str


@dataclass(frozen=True)
class LineChart:
    """A chart in a box of WIDTH x HEIGHT; ticks are (position, text)."""

    title: str
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def line_chart(
    title: str,
    series: Sequence[tuple[str, str, Series]],
    *,
    levels: Sequence[tuple[str, str, float]] = (),
    bounds: tuple[float | None, float | None] = (None, None),
    unit: str = "",
) -> LineChart | None:
    """A chart of (name, color, points) and horizontal (name, color, value); None where no finite point exists.

    `bounds` fix the ends of the value axis. Points that are None break their line.
    """
    kept = [(name, color, _thin([(step, value) for step, value in points])) for name, color, points in series]
    values = [value for _, _, points in kept for _, value in points if value is not None]
    if not values:
        return None
    values += [value for _, _, value in levels]
    steps = [step for _, _, points in kept for step, _ in points]
    low = min(values) if bounds[0] is None else bounds[0]
    high = max(values) if bounds[1] is None else bounds[1]
    across, up = axis(min(steps), max(steps), round_ends=False), axis(low, high, 5)
    return LineChart(
        title=title,
        lines=tuple(_line(name, color, points, across, up, unit) for name, color, points in kept if points),
        levels=tuple(Level(name, color, _y(up, value), f"{value:.4g}{unit}") for name, color, value in levels),
        x_ticks=tuple((_x(across, tick), tick_text(tick)) for tick in across.ticks),
        y_ticks=tuple((_y(up, tick), tick_text(tick) + unit) for tick in up.ticks),
    )


def _thin(points: Points) -> Points:
    """At most about MAX_POINTS: of each run of points its lowest and highest, so that spikes stay visible."""
    if len(points) <= MAX_POINTS:
        return points
    run = -(-len(points) // (MAX_POINTS // 2))
    kept: Points = []
    for start in range(0, len(points), run):
        chunk = points[start : start + run]
        finite = [point for point in chunk if point[1] is not None]
        if not finite:
            kept.append(chunk[0])
            continue
        extremes = {min(finite, key=itemgetter(1)), max(finite, key=itemgetter(1))}
        kept.extend(sorted(extremes))
    return kept


def _line(name: str, color: str, points: Points, across: Axis, up: Axis, unit: str) -> Line:
    commands, pen_down = [], False
    for step, value in points:
        if value is not None:
            commands.append(f"{'L' if pen_down else 'M'}{_x(across, step):.1f} {_y(up, value):.1f}")
        pen_down = value is not None
    dots = [
        (_x(across, step), _y(up, value), f"{value:.4g}{unit} at step {step:g}")
        for step, value in points
        if value is not None
    ]
    return Line(name, color, "".join(commands), tuple(dots) if len(points) <= MAX_DOTS else ())


def _x(across: Axis, step: float) -> float:
    return LEFT + across.share(step) * (RIGHT - LEFT)


def _y(up: Axis, value: float) -> float:
    return BOTTOM - up.share(value) * (BOTTOM - TOP)
