"""A teacher's checkpoints load however its training program saved them, and one that does not fit is told at once."""

from pathlib import Path

import pytest
import torch
from checkpoints import WAYS

from core.errors import TeacherLoadFailed
from core.networks.network import Network
from core.networks.teacher import Teacher
from core.networks.zoo import build
from core.policy import Policy
from core.spec import TeacherSpec
from core.system.workspace import Workspace
from core.teachers.trajectory import load_trajectory


@pytest.fixture
def networks() -> list[Network]:
    """The finished teacher first, then what it was earlier."""
    return [build("cifar/resnet8", 5).eval() for _ in range(3)]


def test_checkpoints_come_in_their_order_under_the_networks_own_names(networks: list[Network], tmp_path: Path) -> None:
    final, *earlier = networks
    paths = [tmp_path / f"{number}.pth" for number in range(2)]
    for way, network, path in zip(("timm", "compiled in Lightning"), earlier, paths, strict=True):
        torch.save(WAYS[way](dict(network.module.state_dict())), path)
    spec = TeacherSpec(architecture="cifar/resnet8", trajectory=tuple(path.as_uri() for path in paths))
    workspace = Workspace(tmp_path, tmp_path / "cache", None, Policy())
    checkpoints = load_trajectory(spec, Teacher(final, None), workspace)
    for read, network in zip(checkpoints, (*earlier, final), strict=True):
        expected = network.module.state_dict()
        found = read()
        assert set(found) == set(expected)
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_checkpoint_of_another_network_is_refused_before_the_training(
    networks: list[Network], tmp_path: Path
) -> None:
    torch.save(build("cifar/resnet14", 5).module.state_dict(), tmp_path / "other.pth")
    spec = TeacherSpec(architecture="cifar/resnet8", trajectory=((tmp_path / "other.pth").as_uri(),))
    workspace = Workspace(tmp_path, tmp_path / "cache", None, Policy())
    with pytest.raises(TeacherLoadFailed, match=r"other\.pth does not fit") as caught:
        load_trajectory(spec, Teacher(networks[0], None), workspace)
    assert caught.value.pointer == "/teacher/trajectory"
