"""The engine's own training of a job, built as core.specialize and core.training.runs do, up to its first step."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.planning.prepare import Place, Prepared, prepare
from core.planning.strategy import settle
from core.policy import Policy
from core.spec import JobSpec
from core.system.distributed import ALONE
from core.system.process import set_up_process
from core.training.build import build_method, build_trainer
from core.training.trainer import Trainer


def set_up(place: Place) -> None:
    """Threads, memory and caches of the process, as the engine's command has them."""
    set_up_process(place.policy.num_threads, ALONE.size)


@contextmanager
def own_place(prefix: str) -> Iterator[Place]:
    """A set-up process's place in a temporary folder of that prefix."""
    with tempfile.TemporaryDirectory(prefix=prefix) as scratch:
        place = Place(Path(scratch) / "out", Path(scratch) / "cache", None, Policy())
        place.out.mkdir()
        set_up(place)
        yield place


def prepare_job(spec: JobSpec, place: Place) -> Prepared:
    """All that is found out before training; raises a RetortError."""
    return settle(prepare(spec, place, _ignore), place, _ignore)


def make_trainer(prepared: Prepared, place: Place, after_step: Callable[[Trainer], None]) -> Trainer:
    """The trainer of the job's student at step 0."""
    method = build_method(prepared, prepared.student, place)
    return build_trainer(prepared, prepared.student, method, place, _ignore, after_step)


def fill_stored_pass(trainer: Trainer) -> bool:
    """Have the teacher see all views of its stored pass now, rather than as epochs ask for them; whether it has one."""
    stored = trainer.course.stages[0].batches.stored
    if stored is None:
        return False
    for view in range(stored.num_views):
        stored.ensure(view, lambda: None)
    return True


def _ignore(*told: object) -> None:
    """Nobody listens to events and metrics here."""
