"""Where an engine process tells its events: JSON lines for a worker, a display for a person."""

import sys
from collections.abc import Callable

from core.errors import RetortError
from core.events import Event, Failure
from core.process.display import Display


class JsonLines:
    """One JSON object a line on stdout, each flushed: the worker reads them as they come."""

    def __enter__(self) -> Callable[[Event], None]:
        return self._write

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    @staticmethod
    def _write(event: Event) -> None:
        print(event.model_dump_json(), flush=True)


def reporter(events: str) -> JsonLines | Display:
    """A context manager that gives the function to report to: `json` lines, or the `display`."""
    return JsonLines() if events == "json" else Display()


def tell_failure(error: RetortError, events: str) -> None:
    """Report an error that came before the job began."""
    with reporter(events) as report:
        report(Failure.of(error))
