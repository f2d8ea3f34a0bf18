"""Numbers as people read them: 11.7M, 4.1 MB, 3.2 s, 95.8%. An unknown number (None) is a dash."""

from collections.abc import Sequence
from datetime import UTC, datetime

UNKNOWN = "-"


def count(number: float | None) -> str:
    """A number of things, three digits: 11.7M for 11,700,000."""
    return UNKNOWN if number is None else _scaled(number, ("", "k", "M", "G", "T"))


def size(num_bytes: float | None) -> str:
    """A number of bytes in decimal units: 4.1 MB for 4,100,000."""
    return UNKNOWN if num_bytes is None else _scaled(num_bytes, (" B", " kB", " MB", " GB", " TB"))


def duration(seconds: float | None) -> str:
    """A time span: 3.2 s, 4 min 10 s, 2 h 5 min."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{min(round(seconds), 59)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def milliseconds(value: float | None) -> str:
    """A latency in milliseconds, three digits."""
    return UNKNOWN if value is None else f"{value:.3g} ms"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal."""
    return UNKNOWN if fraction is None else f"{100 * fraction:.1f}%"


def interval(bounds: Sequence[float] | None) -> str:
    """A confidence interval of a fraction, in percent: 82.1-97.0%."""
    return UNKNOWN if bounds is None else f"{100 * bounds[0]:.1f}-{100 * bounds[1]:.1f}%"


def age(moment: str) -> str:
    """How long ago an RFC 3339 moment was, in its largest unit."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(seconds, 0):.0f}s"


def local_time(moment: str) -> str:
    """An RFC 3339 moment on the clock of this machine: 2026-11-29 17:03:21."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _scaled(number: float, units: tuple[str, ...]) -> str:
    """A number with one of the units, each 1000 times the one before; 1,000 or more never stays in a smaller unit."""
    index = 0
    while abs(number) >= 999.5 and index < len(units) - 1:
        number, index = number / 1000, index + 1
    digits = 0 if index == 0 or abs(number) >= 99.95 else 1
    return f"{number:.{digits}f}{units[index]}"
