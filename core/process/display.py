"""A progress display for a terminal; without a terminal it prints plain lines."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.events import Artifact, Event, Failure, Log, Metric, Phase, Result
from core.events import Progress as JobProgress


class Display:
    """Draws events on stderr as they arrive, and the result as a table on stdout."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("preparing", total=1.0, note="")

    def __enter__(self) -> Callable[[Event], None]:
        self._bar.start()
        return self.show

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Draw one event."""
        match event:
            case Phase():
                self._bar.update(self._task, description=event.phase)
                self._console.print(f"[bold]{event.phase}[/bold]")
            case Log():
                self._console.print(event.message, markup=False)
            case JobProgress():
                speed = f"{event.images_per_second:.0f} images/s" if event.images_per_second else ""
                note = f"{event.run} epoch {event.epoch}/{event.epochs} {speed}"
                self._bar.update(self._task, completed=event.fraction, note=note)
            case Metric() if any(name.endswith("val/top1") for name in event.values):
                shown = ", ".join(
                    f"{name} {value:.4f}"
                    for name, value in event.values.items()
                    if value is not None and "top1" in name
                )
                self._console.print(f"step {event.step}: {shown}", markup=False)
            case Artifact():
                self._console.print(f"wrote {event.path} ({event.size_bytes:,} bytes)", markup=False)
            case Failure():
                self._console.print(f"{event.code}: {event.message}", style="red", markup=False)
                if event.hint:
                    self._console.print(f"hint: {event.hint}", markup=False)
            case Result():
                Console().print(_table(event))
            case _:
                pass


def _table(event: Result) -> Table:
    table = Table("network", "test top-1", "95% interval", "params", "MACs", "p50 ms")
    for name, figures in {"teacher": event.teacher, "student": event.metrics, **event.baselines}.items():
        if figures is not None:
            size = (f"{figures['num_params']:,}", f"{figures['macs']:,}")
            table.add_row(name, *_score(figures["test"]), *size, _milliseconds(figures["latency"]))
    return table


def _score(test: dict[str, Any] | None) -> tuple[str, str]:
    return ("-", "-") if test is None else (f"{test['top1']:.1%}", "{:.1%} to {:.1%}".format(*test["top1_interval"]))


def _milliseconds(latency: dict[str, Any] | None) -> str:
    return "-" if latency is None else f"{latency['p50_ms']:.2f}"
