"""torch.compile: the same answers and gradients, and a way back that says why."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import compile_without_compiler

from core.networks.zoo import build

pytestmark = pytest.mark.slow


def network() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build("cifar/resnet8", 4, image_size=8)


def pixels(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def learned(network: Any) -> tuple[Any, ...]:
    features = network.features(pixels(), (0, -1))
    (features.logits.square().mean() + sum(each.square().mean() for each in features.maps)).backward()
    return features, [parameter.grad for parameter in network.parameters()]


def test_compiled_features_and_gradients_are_the_plain_ones() -> None:
    plain, fast, said = network(), network(), []
    fast.compile_features(said.append)
    (one, one_gradients), (other, other_gradients) = learned(plain), learned(fast)
    assert said == []
    for a, b in zip((one.logits, one.pooled, *one.maps), (other.logits, other.pooled, *other.maps), strict=True):
        torch.testing.assert_close(b, a, atol=1e-4, rtol=1e-4)
    for a, b in zip(one_gradients, other_gradients, strict=True):
        torch.testing.assert_close(b, a, atol=1e-4, rtol=1e-3)
    copied = copy.deepcopy(fast)
    torch.testing.assert_close(copied.eval()(pixels()), fast.eval()(pixels()))


# As small as a compilation can be.
DOUBLER = """
import torch
from core.networks.compiled import CompiledFeatures

class Doubler(torch.nn.Module):
    architecture = "doubler"

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def observed(self, pixels, points):
        return pixels * self.scale

with torch.no_grad():
    print(CompiledFeatures(Doubler(), print).features(torch.ones(4), ()).tolist())
"""


def test_all_that_is_compiled_is_kept_in_torchs_cache(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    folders = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", DOUBLER],
        env={**os.environ, **folders, "PYTHONPATH": root}, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert done.stdout == "[2.0, 2.0, 2.0, 2.0]\n"
    kept = {path.suffix for path in (tmp_path / "cache").rglob("*")}
    left = {path.suffix for path in (tmp_path / "tmp").rglob("*")}
    assert {".so", ".gch"} <= kept and not {".so", ".gch"} & left, (kept, left)


def test_what_cannot_be_compiled_runs_as_it_is_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", compile_without_compiler)
    plain, fast, said = network(), network(), []
    fast.compile_features(said.append)
    for _ in range(2):
        torch.testing.assert_close(fast.features(pixels()).logits, plain.features(pixels()).logits)
    (line,) = said
    assert line.startswith("torch.compile failed for cifar/resnet8, which runs uncompiled: BackendCompilerFailed")


def test_an_error_of_the_network_itself_is_no_error_of_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_nothing(function: Any, **how: Any) -> Any:
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)
    fast = network()
    fast.compile_features()
    with pytest.raises(RuntimeError):
        fast.features(torch.rand(2, 5, 8, 8))
