"""Tiny jobs that really run: the real handwritten digits at 8 x 8 pixels, and a real teacher for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from written_once import measured_files_written_once

from core.evaluation.predict import predict
from core.events import Event, Failure, Result
from core.planning.prepare import prepare
from core.policy import Policy
from core.process.run import as_retort_error
from core.results.export import export_model
from core.results.report import describe_preprocessing
from core.spec import parse_job
from core.specialize import specialize
from core.system.interruption import JobControl
from core.system.workspace import Workspace
from core.training.runs import train_all


@dataclass
class Ran:
    """What a job said, where it wrote, and how it ended."""

    out: Path
    events: list[Event] = field(default_factory=list)
    result: Result | None = None
    error: Exception | None = None

    @property
    def phases(self) -> list[str]:
        return [event.phase for event in self.of("phase")]

    @property
    def failure(self) -> Failure:
        """As the command would tell it."""
        assert self.error is not None, "the job did not fail"
        return Failure.of(as_retort_error(self.error))

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.event == kind]


@pytest.fixture(scope="session")
def run_job(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """run_job(document) runs the whole story in this process and catches how it ends."""

    def run(
        document: Any,
        *,
        inputs: Any = None,
        policy: Any = None,
        out: Any = None,
        hear: Any = lambda event: None,
        **how: Any,
    ) -> Ran:
        ran = Ran(out or tmp_path_factory.mktemp("job"))

        def report(event: Event) -> None:
            ran.events.append(event)
            hear(event)

        workspace = Workspace(ran.out, ran.out / "cache", inputs, policy or Policy())
        try:
            with measured_files_written_once():
                ran.result = specialize(parse_job(document), workspace, report, **how)
        except Exception as error:
            ran.error = error
        return ran

    return run


@pytest.fixture(scope="session")
def digits_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of inputs with the weights of job `job_digits`: a resnet14 that reads the ten digits."""
    training = {"image_size": 8, "max_steps": 60, "devices": "cpu"}
    spec = parse_job({"dataset": "builtin:digits", "student": "cifar/resnet14", "training": training})
    inputs, out = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("teacher")
    workspace = Workspace(out, out / "cache", None, Policy())
    prepared = prepare(spec, workspace, lambda event: None)
    network = train_all(prepared, lambda event: None, JobControl(60))["student"].network
    dataset, views = prepared.student.dataset, prepared.student.augmenter.test_views
    right = predict(network, dataset.test.images, views=views).argmax(1) == dataset.test.labels
    assert right.double().mean() > 0.8
    (inputs / "job_digits").mkdir()
    export_model(
        network,
        inputs / "job_digits",
        classes=dataset.classes,
        preprocessing=describe_preprocessing(network.input, canvas_size=8, image_size=8),
        sample_images=dataset.test.images,
        views=views,
        exports=("safetensors",),
    )
    return inputs


@pytest.fixture
def clock() -> Any:
    """A clock that stands still until `clock.time` is set."""

    class Clock:
        time = 100.0

        def __call__(self) -> float:
            return self.time

    return Clock()
