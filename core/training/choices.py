"""The choices of a job that decide the tensors of its checkpoint: a resumed job must make the same."""

from core.errors import SpecInvalid
from core.job import PreparedRun
from core.spec import name_of


def choices_of(run: PreparedRun) -> dict[str, str]:
    """The choices by their field in the spec."""
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
