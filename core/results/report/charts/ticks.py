"""Round numbers for an axis."""

import math
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high` with round `ticks` inside."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where `value` lies: 0 at `low`, 1 at `high`."""
        return (value - self.low) / (self.high - self.low)


def axis(low: float, high: float, most: int = 6, *, round_ends: bool = True) -> Axis:
    """An axis over [low, high] of at most `most` intervals; its ends move out to round numbers unless told not to."""
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = (low - pad, high + pad) if low else (0.0, pad)
    raw = (high - low) / most
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in STEPS if factor * magnitude >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(place * step, 12) for place in range(first, last + 1)]
    if round_ends:
        return Axis(ticks[0], ticks[-1], tuple(ticks))
    return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high))


def tick_text(value: float) -> str:
    """A tick in few letters: 12000 -> 12k, 0.00005 -> 5e-5."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    if abs(value) < 0.001:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:g}"
