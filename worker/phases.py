"""The phases of one engine as it reports them: how long each took, as a figure and as a span."""

from datetime import UTC, datetime

from store.tracing import record_span
from worker.figures import PHASE_SECONDS


class PhaseClock:
    """Told of each phase as it begins, and of the end of the last."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._since = datetime.now(UTC)

    def enter(self, phase: str, at: datetime) -> None:
        """The engine entered a phase at this time, by its own clock."""
        self._finish(at)
        self._phase, self._since = phase, at

    def leave(self) -> None:
        """The engine has ended."""
        self._finish(datetime.now(UTC))
        self._phase = None

    def _finish(self, at: datetime) -> None:
        if self._phase is not None:
            PHASE_SECONDS.labels(self._phase).observe(max(0.0, (at - self._since).total_seconds()))
            record_span(f"engine {self._phase}", self._since, at)
