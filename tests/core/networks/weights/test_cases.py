"""The teacher files that the outside trial tried (../shared/cases), made again: each loads."""

import re
from pathlib import Path

import pytest
import torch
from checkpoints import WAYS

from core.networks.network import Network
from core.networks.teacher import load_teacher
from core.networks.zoo import build
from core.policy import Policy
from core.spec import TeacherSpec
from core.system.workspace import Workspace

CASES = Path(__file__).resolve().parents[5] / "shared" / "cases" / "CASES.md"
# Row of the table -> the way in which the file was saved.
ROWS = {
    "f01": "timm",
    "f02b": "a loss beside model",
    "f02c": "a path in hyper-parameters",
    "f03b": "ema-pytorch",
    "f03d": "AveragedModel",
    "f09": "numpy scalar",
}


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return build("cifar/resnet8", 5).eval()


@pytest.mark.parametrize("row", ROWS)
def test_the_teacher_of_each_row_answers_as_the_network_that_was_saved(
    row: str, network: Network, tmp_path: Path
) -> None:
    path = tmp_path / f"{row}.pth"
    torch.save(WAYS[ROWS[row]](dict(network.module.state_dict())), path)
    spec = TeacherSpec(architecture="cifar/resnet8", weights=path.as_uri())
    teacher = load_teacher(spec, Workspace(tmp_path, tmp_path / "cache", None, Policy()))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(teacher.network(images), network(images))


def test_no_row_of_the_table_is_left_out() -> None:
    if not CASES.is_file():
        pytest.skip(f"{CASES} is absent: no table of cases to compare with")
    assert set(re.findall(r"^\| (f\d\w*) ", CASES.read_text("utf-8"), flags=re.MULTILINE)) == set(ROWS)
