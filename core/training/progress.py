"""The progress of a job over the student and all baselines, and the estimated time of the rest."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.events import Progress

INTERVAL_SECONDS = 0.5  # seconds between two progress events: often enough for a person who watches


@dataclass
class Meter:
    """Weights the runs by their operations; `costs` maps each to (multiply-accumulates of a step, steps)."""

    costs: Mapping[str, tuple[float, int]]
    now: Callable[[], float] = time.monotonic
    _done: dict[str, float] = field(default_factory=dict, init=False)
    _last: float = field(default=float("-inf"), init=False)
    _start: tuple[float, float] | None = field(default=None, init=False)

    def finished(self, run: str) -> None:
        """Record that `run` has ended, after all its steps or by an early stop."""
        self._done[run] = self.costs[run][1]

    def progress(
        self,
        run: str,
        step: int,
        *,
        epoch: int,
        steps_per_epoch: int,
        steps: int,
        share: float,
        images_per_second: float | None,
    ) -> Progress | None:
        """The event after `step` of `steps` steps of `run`, of which `share` is done; None within INTERVAL_SECONDS of
        the last, but for the final step. With a deadline, `steps` is an estimate.
        """
        self._done[run] = share * self.costs[run][1]
        now = self.now()
        done, total = self._work(), sum(cost * count for cost, count in self.costs.values())
        # The first call starts the clock, because steps of an earlier attempt took no time in this process.
        self._start = self._start or (now, done)
        if now - self._last < INTERVAL_SECONDS and step < steps:
            return None
        self._last = now
        elapsed, worked = now - self._start[0], done - self._start[1]
        eta = elapsed / worked * (total - done) if worked > 0 else None
        return Progress(
            fraction=done / total,
            run=run,
            epoch=epoch,
            epochs=max(epoch, -(-steps // steps_per_epoch)),
            step=step,
            steps=steps,
            images_per_second=images_per_second,
            eta_seconds=eta,
        )

    def _work(self) -> float:
        return sum(self.costs[run][0] * steps for run, steps in self._done.items())
