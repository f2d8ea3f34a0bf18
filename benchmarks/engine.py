"""The engine's own training of a job, built as core.specialize and core.training.runs do, up to its first step."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.planning.prepare import prepare
from core.policy import Policy
from core.spec import JobSpec
from core.system.distributed import ALONE
from core.system.process import set_up_process
from core.system.workspace import Workspace
from core.training.build import build_method, build_trainer
from core.training.inputs import PreparedJob
from core.training.trainer import Trainer


def set_up(workspace: Workspace) -> None:
    """Threads, memory and caches of the process, as the engine's command has them."""
    set_up_process(workspace.policy.num_threads, ALONE.size)


@contextmanager
def own_workspace(prefix: str) -> Iterator[Workspace]:
    """A set-up process's workspace in a temporary folder of that prefix."""
    with tempfile.TemporaryDirectory(prefix=prefix) as scratch:
        workspace = Workspace(Path(scratch) / "out", Path(scratch) / "cache", None, Policy())
        workspace.out.mkdir()
        set_up(workspace)
        yield workspace


def prepare_job(spec: JobSpec, workspace: Workspace) -> PreparedJob:
    """All that is found out before training; raises a RetortError."""
    return prepare(spec, workspace, _ignore)


def make_trainer(prepared: PreparedJob, after_step: Callable[[Trainer], None]) -> Trainer:
    """The trainer of the job's student at step 0."""
    run = prepared.student
    method = run.method or build_method(run, prepared.teachers, prepared.arithmetic, prepared.workspace)
    return build_trainer(prepared, run, method, _ignore, after_step)


def fill_stored_pass(trainer: Trainer) -> bool:
    """Have the teacher see all views of its stored pass now, rather than as epochs ask for them; whether it has one."""
    stored = trainer.plan.stages[0].batches.stored
    if stored is None:
        return False
    for view in range(stored.num_views):
        stored.ensure(view, lambda: None)
    return True


def _ignore(*told: object) -> None:
    """Nobody listens to events and metrics here."""
