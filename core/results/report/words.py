"""Numbers written for the report's readers: percent, counts, sizes, times, ratios."""

NOTHING = "–"


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.8342 -> 83.4%"""
    return NOTHING if fraction is None else f"{fraction * 100:.{digits}f}%"


def interval(bounds: list[float] | None, digits: int = 1) -> str:
    """[0.80, 0.86] -> 80.0–86.0%"""
    return NOTHING if bounds is None else f"{bounds[0] * 100:.{digits}f}–{bounds[1] * 100:.{digits}f}%"


def points(difference: float | None) -> str:
    """A difference of two fractions in percentage points, signed: -0.021 -> −2.1"""
    if difference is None:
        return NOTHING
    value = round(difference * 100, 1)
    return f"{'−' if value < 0 else '+' if value > 0 else '±'}{abs(value):.1f}"


def number(value: int) -> str:
    """A count to the last digit: 10000 -> 10,000"""
    return f"{value:,}"


def count(value: float | None) -> str:
    """A count in three digits: 861620 -> 862 k"""
    if value is None:
        return NOTHING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


def size(num_bytes: float | None) -> str:
    """Bytes in decimal units: 4933840 -> 4.93 MB"""
    if num_bytes is None:
        return NOTHING
    for step, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= step * 0.9995:
            return f"{num_bytes / step:.3g} {unit}"
    return f"{num_bytes:.0f} B"


def milliseconds(value: float | None) -> str:
    """1.234 -> 1.23 ms, 0.0682 -> 68.2 µs"""
    if value is None:
        return NOTHING
    return f"{value:.3g} ms" if value >= 0.1 else f"{value * 1000:.3g} µs"


def seconds(value: float | None) -> str:
    """4000 -> 1 h 07 min"""
    if value is None:
        return NOTHING
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def ratio(large: float | None, small: float | None) -> str:
    """How many times smaller: 12.3x"""
    if not large or not small:
        return NOTHING
    value = large / small
    return f"{value:.0f}×" if value >= 100 else f"{value:.3g}×"


def times(large: float | None, small: float | None, less: str, more: str) -> str:
    """A quotient with its direction: 12.3× fewer, or 1.5× more if `small` is larger; "" if one is unknown."""
    if not large or not small:
        return ""
    return f"{ratio(large, small)} {less}" if large >= small else f"{ratio(small, large)} {more}"


def speed(speedup: dict[str, float] | None) -> str:
    """How many times as fast, with its spread: 23.3× faster (21.9–24.8×); "" where it is not known."""
    if speedup is None:
        return ""
    bounds, word = [speedup["low"], speedup["ratio"], speedup["high"]], "faster"
    if speedup["ratio"] < 1:
        bounds, word = [1 / bound for bound in reversed(bounds)], "slower"
    low, middle, high = (ratio(bound, 1) for bound in bounds)
    return f"{middle} {word} ({low.removesuffix('×')}–{high})"
