"""A frozen teacher in 8-bit integers: close to the same in floats, anew for each set of weights, or plainly refused."""

import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import compile_without_compiler

from core.methods.contract import Needs
from core.networks.zoo import build
from core.system.device import Arithmetic, computes_in_int8
from core.teachers.frozen import FrozenTeacher, Quantization

CPU = Arithmetic(torch.device("cpu"), "fp32")
NEEDS = Needs(teacher_logits=True, teacher_taps=(-1,))
needs_int8 = pytest.mark.skipif(
    not computes_in_int8(torch.device("cpu")), reason="this CPU has no AVX-512 VNNI, which 8-bit teachers need"
)


def make_teacher(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return build("cifar/resnet20", 10).eval().requires_grad_(False)


def make_views(count: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def moved(one: Any, other: Any) -> Any:
    return ((one - other).norm() / one.norm()).item()


@needs_int8
def test_in_integers_it_says_nearly_what_it_says_in_floats() -> None:
    network = make_teacher()
    told = []
    plain = FrozenTeacher(network, NEEDS, CPU).observe(make_views())
    integers = FrozenTeacher(network, NEEDS, CPU, quantization=Quantization(make_views, 32), notify=told.append)
    said = integers.observe(make_views())
    for one, other in ((plain.logits, said.logits), (plain.pooled, said.pooled), (plain.maps[0], said.maps[0])):
        assert 0 < moved(one, other) < 0.1
    assert told == []


IN_A_PROCESS_OF_ITS_OWN = """
import torch
from test_teaching import CPU, NEEDS, FrozenTeacher, Quantization, make_teacher, make_views
from core.system.process import set_up_process

set_up_process(1, 1)
teacher = FrozenTeacher(make_teacher(), NEEDS, CPU, quantization=Quantization(make_views, 32), notify=print)
teacher.observe(make_views())
"""


@needs_int8
def test_as_an_engine_sets_its_process_up_a_teacher_is_put_into_integers() -> None:
    """What is set for the whole process, such as for cuDNN, may be more than torch.export can bear."""
    path = os.pathsep.join(str(each) for each in (Path(__file__).parents[1], Path(__file__).parents[3]))
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


@needs_int8
def test_other_weights_are_put_into_integers_too() -> None:
    network, other = make_teacher(0), make_teacher(1)
    teacher = FrozenTeacher(network, NEEDS, CPU, quantization=Quantization(make_views, 32))
    teacher.load(copy.deepcopy(other.module.state_dict()))
    plain = FrozenTeacher(other, NEEDS, CPU).observe(make_views())
    assert 0 < moved(plain.maps[0], teacher.observe(make_views()).maps[0]) < 0.1


@needs_int8
def test_a_teacher_that_cannot_be_put_into_integers_says_so_and_teaches_in_floats() -> None:
    network = build("torchvision/mobilenet_v3_small", 10, image_size=32).eval().requires_grad_(False)
    told = []
    needs = replace(NEEDS, teacher_taps=())
    teacher = FrozenTeacher(network, needs, CPU, quantization=Quantization(make_views, 32), notify=told.append)
    plain = FrozenTeacher(network, needs, CPU)
    assert torch.equal(teacher.observe(make_views()).logits, plain.observe(make_views()).logits)
    (message,) = told
    assert message == (
        "the teacher torchvision/mobilenet_v3_small computes in floats: too few of its convolutions would gain"
    )


def test_a_teacher_with_the_batchs_own_statistics_stays_in_floats() -> None:
    needs = replace(NEEDS, teacher_batch_statistics=True)
    one, other = (
        FrozenTeacher(make_teacher(), needs, CPU, quantization=quantization).observe(make_views())
        for quantization in (None, Quantization(make_views, 32))
    )
    assert torch.equal(one.logits, other.logits)


def test_a_teacher_that_cannot_be_compiled_says_so_and_teaches_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", compile_without_compiler)
    network, told = make_teacher(), []
    teacher = FrozenTeacher(network, NEEDS, CPU, compiled=True, notify=told.append)
    plain = FrozenTeacher(network, NEEDS, CPU)
    torch.testing.assert_close(teacher.observe(make_views()).logits, plain.observe(make_views()).logits)
    (message,) = told
    assert message.startswith("torch.compile failed for cifar/resnet20, which runs uncompiled: BackendCompilerFailed")
