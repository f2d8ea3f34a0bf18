"""Output of the engine's events: JSON lines for a worker, a display for a person."""

import sys
from collections.abc import Callable

from core.errors import RetortError
from core.events import Event, Failure
from core.process.display import Display


class JsonLines:
    """Writes one JSON object a line to stdout and flushes each line, because the worker reads them as they arrive."""

    def __enter__(self) -> Callable[[Event], None]:
        return self._write

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    @staticmethod
    def _write(event: Event) -> None:
        print(event.model_dump_json(), flush=True)


def reporter(events: str) -> JsonLines | Display:
    """A context manager that gives the function which takes events: as `json` lines or on the `display`."""
    return JsonLines() if events == "json" else Display()


def tell_failure(error: RetortError, events: str) -> None:
    """Report an error that occurred before the job started."""
    with reporter(events) as report:
        report(Failure.of(error))
