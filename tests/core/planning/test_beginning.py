"""A student begins with published weights where they are at hand; else plan, log and a warning say why not."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.networks import at_hand, torchvision_zoo, zoo
from core.networks.at_hand import availability
from core.networks.shelving import shelve
from core.networks.weights.shelf import Shelf
from core.planning.prepare import prepare
from core.planning.warning_codes import STUDENT_WEIGHTS_UNREACHABLE
from core.policy import Policy
from core.spec import parse_job
from core.system.interruption import Interrupted, JobControl
from core.system.workspace import Workspace
from tests.core.conftest import Ran

STUDENT = "tensorflow/mobilenet_v1_025"
TRAINING = {"image_size": 32, "max_steps": 2, "devices": "cpu", "batch_size": 16}


def job(student: Any = STUDENT, **fields: Any) -> dict[str, Any]:
    dataset = {"uri": "builtin:digits", "classes": ["7", "3"]}
    return {"dataset": dataset, "student": student, "training": TRAINING, "exports": ["safetensors"], **fields}


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """Of an installation whose shelf has the student's weights."""
    policy = Policy(weights_shelf=str(tmp_path / "shelf"))
    torch.manual_seed(5)
    state = zoo.build(STUDENT).module.state_dict()
    save_file(state, tmp_path / "given.safetensors")
    shelve(Shelf(str(policy.weights_shelf), None, policy), STUDENT, tmp_path / "given.safetensors", policy=policy)
    return policy


def prepared(document: dict[str, Any], policy: Policy, folder: Path) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    workspace = Workspace(folder / "out", folder / "cache", None, policy)
    return prepare(parse_job(document), workspace, events.append).student, events


def unreachable(events: list[Any]) -> list[Any]:
    """The warnings about weights that could not be used."""
    issued = [event.warning for event in events if event.event == "warning"]
    return [warning for warning in issued if warning.code == STUDENT_WEIGHTS_UNREACHABLE]


def test_left_open_it_is_the_shelfs_with_a_head_for_the_classes(policy: Policy, tmp_path: Path) -> None:
    run, events = prepared(job(), policy, tmp_path)
    assert run.spec.student.weights == "published"
    assert "shelf" in run.beginning and any("shelf" in getattr(event, "message", "") for event in events)
    own, given = run.method.context.student.module.state_dict(), load_file(tmp_path / "given.safetensors")
    assert torch.equal(own["blocks.5.pw.conv.weight"], given["blocks.5.pw.conv.weight"])
    assert own["fc.weight"].shape == (2, 256)


@pytest.mark.parametrize("weights", [None, "teacher"])
def test_what_the_job_says_counts(weights: str | None, policy: Policy, tmp_path: Path) -> None:
    document = job({"architecture": STUDENT, "weights": weights})
    if weights == "teacher":
        document |= {"teacher": STUDENT, "method": "fitnet"}
    run, _ = prepared(document, policy, tmp_path)
    assert run.spec.student.weights == weights


def test_a_damaged_shelf_is_a_warning_and_the_student_begins_with_others(policy: Policy, tmp_path: Path) -> None:
    for path in (tmp_path / "shelf/files").iterdir():
        path.write_bytes(b"damaged")
    run, events = prepared(job(), policy, tmp_path)
    assert run.spec.student.weights is None
    (warning,) = unreachable(events)
    assert STUDENT in warning.message and "random" in warning.message


def test_a_narrower_network_begins_with_channels_of_its_relative(policy: Policy, tmp_path: Path) -> None:
    torch.manual_seed(6)
    wide = "tensorflow/mobilenet_v1_050"
    save_file(zoo.build(wide).module.state_dict(), tmp_path / "wide.safetensors")
    shelf = Shelf(str(policy.weights_shelf), None, policy)
    shelve(shelf, wide, tmp_path / "wide.safetensors", policy=policy)
    shelf.remove(STUDENT)
    run, events = prepared(job(), policy, tmp_path)
    assert run.spec.student.weights == "relative" and wide in run.beginning
    assert not unreachable(events)
    own, given = run.method.context.student.module.state_dict(), load_file(tmp_path / "wide.safetensors")
    assert torch.equal(own["blocks.5.pw.conv.weight"], given["blocks.5.pw.conv.weight"][::2, ::2])
    assert torch.equal(own["blocks.5.pw.bn.running_var"], given["blocks.5.pw.bn.running_var"][::2])


def test_nobody_publishes_it_is_no_warning(tmp_path: Path) -> None:
    run, events = prepared(job("cifar/resnet8"), Policy(), tmp_path)
    assert run.spec.student.weights is None
    assert not unreachable(events)


@pytest.mark.parametrize("student", [STUDENT, "small"], ids=["named", "a size"])
def test_what_an_earlier_attempt_found_is_not_looked_for_again(
    student: str, policy: Policy, tmp_path: Path, run_job: Callable[..., Ran]
) -> None:
    """The weights came to the shelf after the job had begun; another student would not fit its checkpoint."""
    document = job(student)
    control = JobControl(60)

    def interrupt(event: Any) -> None:
        if event.event == "progress":
            control.interrupt()

    with pytest.raises(Interrupted):
        run_job(document, out=tmp_path / "job", hear=interrupt, control=control)
    again = run_job(document, out=tmp_path / "job", resume=True, policy=policy)
    assert again.error is None
    (resolved,) = again.of("resolved")
    assert resolved.spec["student"]["weights"] is None
    assert any("from step 1" in event.message for event in again.of("log"))


@pytest.fixture
def silent_address(monkeypatch: pytest.MonkeyPatch) -> str:
    """The libraries' addresses lead to a port where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.pth"
    monkeypatch.setattr(torchvision_zoo, "source", lambda name: address)
    return address


@pytest.mark.slow
def test_an_address_that_does_not_answer_is_named_in_plan_and_warning(
    silent_address: str, run_job: Callable[..., Ran]
) -> None:
    ran = run_job(job("torchvision/squeezenet1_1"), plan_only=True)
    (resolved,), (warning,) = ran.of("resolved"), unreachable(ran.of("warning"))
    assert resolved.spec["student"]["weights"] is None
    assert silent_address in resolved.estimate.reason
    assert silent_address in warning.message


class Answering(BaseHTTPRequestHandler):
    """Answers that there is nothing, which is an answer."""

    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering_address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/weights.pth"
    server.shutdown()
    server.server_close()


def test_where_weights_are_at_hand(
    answering_address: str, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path, tmp_path / "cache", None, policy)
    assert "shelf" in availability(STUDENT, workspace).told
    assert not availability("cifar/resnet8", workspace).is_at_hand
    monkeypatch.setattr(torchvision_zoo, "source", lambda name: answering_address)
    assert answering_address in availability("torchvision/resnet18", workspace).told
    kept = tmp_path / "cache/published/torchvision/weights.pth"
    kept.parent.mkdir(parents=True)
    kept.touch()
    monkeypatch.setattr(at_hand, "_silence", lambda address: pytest.fail("asked in spite of a kept download"))
    assert availability("torchvision/resnet18", workspace).is_at_hand
