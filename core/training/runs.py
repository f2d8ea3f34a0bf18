"""Trains all networks of a job, one after the other, starting from the last checkpoint."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from core.events import Checkpoint, Event, Log, Metric
from core.job import PreparedRun
from core.methods.contract import Products
from core.methods.method import Method
from core.networks.inference import in_plain_layout
from core.networks.network import Network
from core.system.distributed import keep_statistics
from core.system.interruption import Interrupted, JobControl
from core.training.adapted import KIND, address_of, read_record, written_record
from core.training.beginning import fit_beginning
from core.training.build import build_method, build_trainer, run_cost
from core.training.checkpoint import CheckpointFolder
from core.training.ending import choose_ending
from core.training.inputs import PreparedJob
from core.training.progress import Meter
from core.training.resuming import FORMAT, check_choices, choices_of
from core.training.timed import pace_of, with_as_many_steps
from core.training.trainer import Trainer

Curves = dict[str, list[list[float | None]]]


@dataclass(frozen=True)
class Trained:
    """A network after its training, on the CPU, with the record of the training."""

    network: Network
    steps: int
    seconds: float
    """Of training steps alone, over all attempts."""
    curves: Curves
    """Metric name -> [[step, value], ...]."""
    products: Products
    trajectory: list[dict[str, Tensor]]
    """State dicts along the way, the last one at the end; empty where none were to be kept."""


@dataclass
class Training:
    """The state of a job's training: the finished runs, and the current one."""

    job: PreparedJob
    report: Callable[[Event], None]
    control: JobControl
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)
    trajectory: list[dict[str, Tensor]] = field(default_factory=list)
    resumed: dict[str, Any] | None = None
    """The checkpoint that the training goes on from."""
    meter: Meter = field(init=False)
    _images_per_second: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder = CheckpointFolder(self.job.workspace.out)
        self.meter = Meter(
            {run.run.name: run_cost(self.job, run) for run in self.job.trainings if self._twin(run) is None}
        )

    def train_runs(self) -> dict[str, Trained]:
        """Train the student and the baselines; the results by run name.

        With a deadline, all others take as many steps as the student has taken by then, in time of their own.
        """
        if self.control.deadline is None:
            return {run.run.name: self.train(run) for run in self.job.runs}
        student, *others = self.job.runs
        trained = {student.run.name: self.train(student)}
        steps = trained[student.run.name].steps
        self.job = replace(self.job, runs=(student, *(with_as_many_steps(run, steps) for run in others)))
        with self.control.deadline.apart():
            return trained | {run.run.name: self.train(run) for run in self.job.runs[1:]}

    def train(self, run: PreparedRun) -> Trained:
        """Train one network, from the checkpoint if that has it partly trained."""
        state = self.resumed if self.resumed is not None and self.resumed["run"] == run.run.name else None
        method = run.method or self._build(run)
        if (twin := self._twin(run)) is not None:
            self.finished[run.run.name] = self.finished[twin]
        if run.run.name in self.finished:
            return self._recall(run, method)
        if state is None:
            self._begin(run, method)
        trainer = build_trainer(
            self.job,
            run,
            method,
            self._metrics_reporter(run),
            self._after_step(run),
            poll=self._poll,
            notify=lambda message: self.report(Log(message=f"{run.run.name}: {message}")),
            pace=pace_of(run, self.job, self.control),
        )
        if state is not None:
            trainer.load_state_dict(state["trainer"])
            self.curves, self.trajectory = state["curves"], state["trajectory"]
        self.report(Log(message=f"{run.run.name}: {trainer.pace.told(trainer.step, trainer.plan.steps_per_epoch)}"))
        with closing(trainer):
            trainer.run()
        self._end(run, method)
        self._finish(run, method, trainer)
        return self._recall(run, method)

    def _finish(self, run: PreparedRun, method: Method, trainer: Trainer) -> None:
        """Keep the results of the run, and save them."""
        early = " (stopped early)" if trainer.stopped else ""
        done = f"{trainer.step} steps{early} took {trainer.seconds:.1f} s of training"
        self.report(Log(message=f"{run.run.name}: {done}"))
        self.finished[run.run.name] = {
            "weights": method.deployed().cpu().state_dict(),
            "steps": trainer.step,
            "seconds": trainer.seconds,
            "curves": self.curves,
            "products": asdict(method.products()),
            "trajectory": self.trajectory,
        }
        self.curves, self.trajectory = {}, []
        self.save(None)

    def train_teacher(self, adaptation: PreparedRun) -> Trained:
        """Fine-tune the teacher for the job's classes, unless an earlier job has done so with the same inputs."""
        kept, address = self.job.workspace.adapted_teachers, address_of(adaptation, self.job)
        name = adaptation.run.name
        if name not in self.finished and (content := kept.recall(KIND, address)) is not None:
            self.finished[name] = read_record(content)
            self.report(Log(message="an earlier job has fine-tuned this teacher for the same images"))
        trained = self.train(adaptation)
        if self.job.workspace.ranks.is_first:
            kept.keep(KIND, address, written_record(self.finished[name]))
        return trained

    def _twin(self, run: PreparedRun) -> str | None:
        """The name of the earlier training of the job that is the same as that of `run`: the baseline `finetune` of
        the teacher's network is the same as the training of the fine-tuned teacher.
        """
        other = self.job.adaptation
        if other is None or run is other:
            return None
        return other.run.name if run.spec == other.spec and run.run.seed == other.run.seed else None

    def _begin(self, run: PreparedRun, method: Method) -> None:
        """What the images decide about the network that a run begins with."""
        for told in fit_beginning(self.job, run, method.context.student, self._check):
            self.report(Log(message=f"{run.run.name}: {told}"))

    def _end(self, run: PreparedRun, method: Method) -> None:
        """What the images decide about the network that a run ends with."""
        told = choose_ending(self.job, run, method.deployed(), self._check)
        if told is not None:
            self.report(Log(message=f"{run.run.name} {told}"))

    def _check(self) -> None:
        """Raise where the job has to end. With several ranks, it would wait for the others, which wait for this one."""
        if self.job.workspace.ranks.size == 1:
            self.control.check()

    def _build(self, run: PreparedRun) -> Method:
        return build_method(run, self.job.teachers, self.job.arithmetic, self.job.workspace)

    def _recall(self, run: PreparedRun, method: Method) -> Trained:
        done = self.finished[run.run.name]
        if self._twin(run) is None:
            self.meter.finished(run.run.name)
        network = method.deployed().cpu()
        network.load_state_dict(done["weights"])
        keep_statistics(in_plain_layout(network))
        products = Products(**done["products"])
        of_training = {name: done[name] for name in ("steps", "seconds", "curves", "trajectory")}
        return Trained(network, products=products, **of_training)

    def save(self, trainer: Trainer | None) -> None:
        """Write a checkpoint of everything and report it."""
        state = {
            "format": FORMAT,
            "finished": self.finished,
            "run": trainer.plan.run if trainer is not None else None,
            "trainer": trainer.state_dict() if trainer is not None else None,
            "curves": self.curves,
            "trajectory": self.trajectory,
            "spent_seconds": self.control.spent(),
            "apart_seconds": self.control.deadline.apart_seconds if self.control.deadline is not None else 0.0,
            "length": asdict(self.job.student.length) if self.job.student.length is not None else None,
            "choices": choices_of(self.job.student),
            "published": {name: asdict(found) for name, found in self.job.published.items()},
        }
        total = sum(done["steps"] for done in self.finished.values()) + (trainer.step if trainer is not None else 0)
        self.control.saved()
        if self.job.workspace.ranks.is_first:
            event: Checkpoint = self.folder.save(state, total)
            self.report(event)

    def _metrics_reporter(self, run: PreparedRun) -> Callable[[int, dict[str, float | None]], None]:
        def report_metrics(step: int, values: dict[str, float | None]) -> None:
            self._images_per_second = values.get("images_per_second", self._images_per_second)
            named = {f"{run.run.metric_prefix}{name}": value for name, value in values.items()}
            for name, value in values.items():
                self.curves.setdefault(name, []).append([step, value])
            self.report(Metric(step=step, values=named))

        return report_metrics

    def _after_step(self, run: PreparedRun) -> Callable[[Trainer], None]:
        def after_step(trainer: Trainer) -> None:
            plan = trainer.plan
            progress = self.meter.progress(
                run.run.name,
                trainer.step,
                epoch=plan.epoch_of(trainer.step),
                steps_per_epoch=plan.steps_per_epoch,
                steps=trainer.step + trainer.pace.steps_to_go,
                share=trainer.pace.share,
                images_per_second=self._images_per_second,
            )
            if progress is not None:
                self.report(progress)
            self._keep(run, trainer)
            # Where it ends, the finished run is saved a moment later.
            due = self.control.checkpoint_is_due(epoch_ends=trainer.step % plan.steps_per_epoch == 0)
            self._poll(trainer, due=due and not trainer.ends, ends=trainer.ends)

        return after_step

    def _poll(self, trainer: Trainer, *, due: bool = False, ends: bool = False) -> None:
        """Called between two steps: save a checkpoint if it is `due`, and end, after a checkpoint, if the time is up or
        the process was asked to end, unless the run ends anyway. If one rank has to do so, all ranks do.
        """
        control = self.control
        late, interrupted, due = self.job.workspace.ranks.any_of(control.is_late(), control.interrupted.is_set(), due)
        if late:
            if not ends:
                self.save(trainer)
            control.give_up()
        if interrupted and not ends:
            self.save(trainer)
            raise Interrupted
        if due:
            self.save(trainer)

    def _keep(self, run: PreparedRun, trainer: Trainer) -> None:
        """Keep the student's weights at the ends of equal parts of its training, the last ones at the end."""
        count, steps = run.training.keep_trajectory, trainer.plan.steps
        if run is not self.job.student or not count:
            return
        ends = [round(part * steps / count) for part in range(1, count + 1)]
        passed = sum(trainer.pace.position >= end for end in ends)
        if passed > len(self.trajectory) or trainer.stopped:
            weights = trainer.method.deployed().module.state_dict()
            self.trajectory.append({name: value.detach().cpu().clone() for name, value in weights.items()})


def begin_training(
    job: PreparedJob, report: Callable[[Event], None], control: JobControl, state: dict[str, Any] | None = None
) -> Training:
    """The state of the job's training: that of the checkpoint `state`, or of its beginning.

    Raises SpecInvalid if the checkpoint belongs to a different job.
    """
    training = Training(job, report, control)
    if state is not None:
        check_choices(state["choices"], choices_of(job.student))
        training.finished, training.resumed = state["finished"], state
        control.resume(state["spent_seconds"])
        if control.deadline is not None:
            control.deadline.apart_before = state["apart_seconds"]
        done = f"{len(training.finished)} of {len(job.trainings)} trainings are done"
        report(Log(message=f"resuming from a checkpoint; {done}"))
    return training


def train_all(job: PreparedJob, report: Callable[[Event], None], control: JobControl) -> dict[str, Trained]:
    """Train every run of a job whose teacher is not fine-tuned; the results by run name."""
    return begin_training(job, report, control).train_runs()
