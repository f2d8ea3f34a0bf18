"""What the next attempt at a job takes from a checkpoint before the training begins: whether it can be read, which
published weights were found, and the choices that decide its tensors.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import SpecInvalid
from core.events import Event, Log
from core.job import Length, PreparedRun
from core.networks.at_hand import PublishedWeights
from core.spec import name_of
from core.training.checkpoint import CheckpointFolder

FORMAT = 6  # of a checkpoint


def read_checkpoint(out: Path, report: Callable[[Event], None]) -> dict[str, Any] | None:
    """The newest checkpoint in the out folder; None, with a word in the log, for one that another version wrote."""
    state = CheckpointFolder(out).load()
    if state is not None and state["format"] != FORMAT:
        told = f"the checkpoint has format {state['format']}, this version reads {FORMAT}: training starts anew"
        report(Log(level="warning", message=told))
        return None
    return state


def found_by(state: dict[str, Any] | None) -> dict[str, PublishedWeights]:
    """The published weights that the attempt of a checkpoint found, by architecture; none without a checkpoint."""
    return {name: PublishedWeights(**found) for name, found in state["published"].items()} if state is not None else {}


def length_by(state: dict[str, Any] | None) -> Length | None:
    """The length that the attempt of a checkpoint planned for a deadline; the schedule that it began goes on."""
    length = state["length"] if state is not None else None
    return Length(**length) if length is not None else None


def choices_of(run: PreparedRun) -> dict[str, str]:
    """The choices that decide the tensors of a checkpoint, by their field in the spec."""
    return {
        "/student": str(run.spec.student.architecture),
        "/method": name_of(run.spec.method),
        "/training/optimizer": run.training.optimizer,
    }


def check_choices(begun: dict[str, str], wanted: dict[str, str]) -> None:
    """Raise SpecInvalid where a checkpoint was begun with other choices than the job's."""
    errors = [
        (place, f"the checkpoint was begun with {begun[place]!r}, not {choice!r}; name that or another out folder")
        for place, choice in wanted.items()
        if begun[place] != choice
    ]
    if errors:
        raise SpecInvalid(errors)
