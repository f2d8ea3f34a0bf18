"""Which jobs use the kernels, and what they say of them: whole jobs on the real digits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from compiling import HAS_INSTRUCTIONS, needs_kernels

from core.kernels import has_instructions, library
from tests.core.conftest import Ran

pytestmark = pytest.mark.slow

# Its second stage has 32 channels, at 8 x 8 pixels in maps of 4 x 4; the third's maps of 2 x 2 are too small.
STUDENT = "cifar/resnet8"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[Any]:
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def job(student: Any = STUDENT, **training: Any) -> dict[str, Any]:
    return {
        "dataset": "builtin:digits",
        "student": student,
        "exports": ["safetensors"],
        "training": {"image_size": 8, "devices": "cpu", "batch_size": 32, "max_steps": 2, **training},
    }


def chosen(ran: Any) -> Any:
    """What the resolved spec says."""
    assert ran.error is None, ran.error
    return ran.of("resolved")[0].spec["training"]["kernels"]


def refusal(ran: Any) -> Any:
    """Where and why."""
    (found,) = ran.error.errors
    return found


def logs(ran: Any) -> list[Any]:
    return [event.message for event in ran.of("log")]


@needs_kernels
def test_a_training_of_some_length_uses_it(run_job: Callable[..., Ran]) -> None:
    assert chosen(run_job(job(), plan_only=True)) == "torch"
    for insisting in (job(max_steps=200), job(kernels="own")):
        ran = run_job(insisting, plan_only=True)
        assert chosen(ran) == "own"
        assert not any("kernels" in message for message in logs(ran))
    assert chosen(run_job(job(max_steps=200, kernels="torch"), plan_only=True)) == "torch"


@needs_kernels
def test_it_learns_what_torch_would(run_job: Callable[..., Ran]) -> None:
    losses = {}
    for who in ("torch", "own"):
        ran = run_job(job(max_steps=40, kernels=who, optimizer="sgd", schedule="cosine"))
        assert chosen(ran) == who
        losses[who] = [event.values["train/loss"] for event in ran.of("metric") if "train/loss" in event.values]
    assert len(losses["torch"]) == len(losses["own"]) > 5
    assert losses["torch"] != losses["own"]  # or it was not used
    assert losses["own"] == pytest.approx(losses["torch"], rel=0.05)
    assert losses["own"][-1] < 0.85 * losses["own"][0]


@needs_kernels
def test_without_a_compiler_a_job_says_so_and_trains_with_torch(
    run_job: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "COMPILERS", ("no-such-compiler",))
    ran = run_job(job(max_steps=200), plan_only=True)
    assert chosen(ran) == "torch"
    (told,) = (message for message in logs(ran) if "kernels" in message)
    assert told == "the kernels are torch's: no C++ compiler is installed (no-such-compiler)"
    pointer, detail = refusal(run_job(job(kernels="own"), plan_only=True))
    assert pointer == "/training/kernels" and "no C++ compiler is installed" in detail


RANDOM_CONVNEXT = {"architecture": "torchvision/convnext_tiny", "weights": None}


@needs_kernels
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"precision": "fp32"}, "need training.precision bf16 on a CPU with AVX-512 BF16"),
        ({"compile": True}, "training.compile"),
        ({"student": RANDOM_CONVNEXT, "image_size": 32}, "no 3x3 convolution has multiples of 32 channels"),
    ],
)
def test_a_job_that_insists_is_refused_where_it_cannot_serve(
    run_job: Callable[..., Ran], changes: dict[str, Any], why: str
) -> None:
    pointer, detail = refusal(run_job(job(kernels="own", **changes), plan_only=True))
    assert pointer == "/training/kernels"
    assert why in detail and "allowed: auto, torch" in detail


@pytest.mark.skipif(HAS_INSTRUCTIONS, reason="says what a CPU without AVX-512 BF16 answers")
def test_a_processor_without_the_instructions_is_a_reason(run_job: Callable[..., Ran]) -> None:
    assert chosen(run_job(job(max_steps=200), plan_only=True)) == "torch"
    pointer, detail = refusal(run_job(job(kernels="own"), plan_only=True))
    assert pointer == "/training/kernels" and "AVX-512 BF16" in detail


def test_a_processor_is_asked_for_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    for bf16, amx, expected in ((True, False, True), (True, True, False), (False, False, False)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda bf16=bf16: bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        assert has_instructions(torch.device("cpu")) is expected
        assert not has_instructions(torch.device("cuda"))
