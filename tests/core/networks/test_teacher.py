"""Teachers from files, jobs and libraries; real checkpoints score what their authors say."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.functional import pil_to_tensor

from core.errors import ArchitectureUnknown, TeacherLoadFailed
from core.networks.network import Network
from core.networks.teacher import Teacher, load_teacher
from core.networks.zoo import build
from core.policy import Policy
from core.spec import TeacherSpec
from core.system.workspace import Workspace


def load(tmp_path: Path, *, policy: Policy | None = None, inputs: Path | None = None, **spec: object) -> Teacher:
    workspace = Workspace(tmp_path, tmp_path / "cache", inputs, policy or Policy())
    return load_teacher(TeacherSpec(**spec), workspace)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(2)
    return build("cifar/resnet8", 4).eval()


@pytest.fixture
def weights(network: Network, tmp_path: Path) -> Path:
    torch.save(network.module.state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def same(a: Network, b: Network) -> bool:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.equal(a(images), b(images))


def test_the_number_of_classes_is_read_from_the_weights(network: Network, weights: Path, tmp_path: Path) -> None:
    teacher = load(tmp_path, architecture="cifar/resnet8", weights=weights.as_uri())
    assert teacher.network.num_classes == 4
    assert teacher.classes is None
    assert same(teacher.network, network)
    assert not teacher.network.training


def test_classes_come_from_the_spec_and_must_be_as_many_as_the_outputs(weights: Path, tmp_path: Path) -> None:
    spec = {"architecture": "cifar/resnet8", "weights": weights.as_uri()}
    assert load(tmp_path, **spec, classes=("a", "b", "c", "d")).classes == ("a", "b", "c", "d")
    with pytest.raises(TeacherLoadFailed, match="3 class names for 4 outputs") as caught:
        load(tmp_path, **spec, classes=("a", "b", "c"))
    assert caught.value.pointer == "/teacher/classes"


def test_another_sha256_is_refused(weights: Path, tmp_path: Path) -> None:
    spec = {"architecture": "cifar/resnet8", "weights": weights.as_uri()}
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    load(tmp_path, **spec, sha256=digest)
    with pytest.raises(TeacherLoadFailed, match=digest):
        load(tmp_path, **spec, sha256="0" * 64)


def test_weights_that_cannot_be_reached_are_a_failure_of_the_teacher(tmp_path: Path) -> None:
    with pytest.raises(TeacherLoadFailed, match=r"gone\.pth") as caught:
        load(tmp_path, architecture="cifar/resnet8", weights=(tmp_path / "gone.pth").as_uri())
    assert caught.value.pointer == "/teacher/weights"


@pytest.fixture
def job(network: Network, tmp_path: Path) -> Path:
    """The inputs folder with the student of an earlier job, as core.results.export writes it."""
    folder = tmp_path / "inputs" / "job_01"
    folder.mkdir(parents=True)
    metadata = {
        "retort": "1", "architecture": "cifar/resnet8", "num_classes": "4", "image_size": "16",
        "classes": json.dumps(["w", "x", "y", "z"]), "mean": "[0.1, 0.2, 0.3]", "std": "[0.4, 0.5, 0.6]",
    }  # fmt: skip
    save_file(network.module.state_dict(), folder / "model.safetensors", metadata=metadata)
    return tmp_path / "inputs"


def test_the_student_of_a_job_teaches_on_with_everything_that_its_file_says(
    network: Network, job: Path, tmp_path: Path
) -> None:
    teacher = load(tmp_path, weights="job:job_01", inputs=job, policy=Policy(pickled_weights=False))
    assert teacher.classes == ("w", "x", "y", "z")
    form = teacher.network.input
    assert (teacher.network.architecture, form.size) == ("cifar/resnet8", 16)
    assert form.mean == (0.1, 0.2, 0.3)
    grey = torch.full((1, 3, 16, 16), 0.5)
    torch.testing.assert_close(teacher.network.prepare(grey)[0, :, 0, 0], torch.tensor([1.0, 0.6, 1 / 3]))
    for name, value in teacher.network.module.state_dict().items():
        assert torch.equal(value, network.module.state_dict()[name])


@pytest.mark.parametrize(("name", "value"), [
    ("classes", "[1"), ("classes", "7"), ("mean", "[0.1]"), ("std", "{}"), ("image_size", "100000"),
    ("image_size", "²"), ("std", '["a", "b", "c"]'),
])  # fmt: skip
def test_metadata_that_makes_no_sense_is_refused(name: str, value: str, network: Network, tmp_path: Path) -> None:
    metadata = {"architecture": "cifar/resnet8", name: value}
    save_file(network.module.state_dict(), tmp_path / "m.safetensors", metadata=metadata)
    with pytest.raises(TeacherLoadFailed):
        load(tmp_path, weights=(tmp_path / "m.safetensors").as_uri())


def test_weights_without_architecture_need_one(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(TeacherLoadFailed, match=r"weights\.pth does not say its architecture"):
        load(tmp_path, weights=weights.as_uri())


def test_an_unknown_architecture_is_told_with_near_misses(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchitectureUnknown, match="cifar/resnet8"):
        load(tmp_path, architecture="cifar/resnet9", weights=weights.as_uri())


def test_a_cifar_teacher_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherLoadFailed, match="cifar/resnet56 has no published weights"):
        load(tmp_path, architecture="cifar/resnet56")


def test_sha256_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherLoadFailed, match="no weights are named"):
        load(tmp_path, architecture="torchvision/resnet18", sha256="0" * 64)


def read_test_images(path: Path, every: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every n-th image of a zip of class folders, and its label by alphabetical class."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".webp"))
        classes = sorted({Path(name).parent.name for name in names})
        chosen = names[::every]
        images = [pil_to_tensor(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in chosen]
    labels = [classes.index(Path(name).parent.name) for name in chosen]
    return torch.stack(images) / 255, torch.tensor(labels)


def accuracy(network: Network, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.inference_mode():
        return (network(images).argmax(dim=1) == labels).float().mean().item()


@pytest.mark.data
# top-1 on all 10,000 images: SOURCES.md. 500 images have a standard error of two points; nothing here is random.
@pytest.mark.parametrize(("name", "top1"), [("resnet56", 0.7263), ("resnet20", 0.6883)])
def test_a_real_cifar_100_teacher_scores_what_its_authors_say(
    name: str, top1: float, real_data: Path, tmp_path: Path
) -> None:
    weights = (real_data / "weights" / f"cifar100_{name}.pth").as_uri()
    teacher = load(tmp_path, architecture=f"cifar/{name}", weights=weights)
    assert teacher.network.num_classes == 100
    images, labels = read_test_images(real_data / "cifar100_test_webp.zip", every=20)
    assert accuracy(teacher.network, images, labels) == pytest.approx(top1, abs=0.04)


@pytest.mark.data
def test_a_real_cifar_10_teacher_with_option_a_shortcuts_scores_what_its_authors_say(
    real_data: Path, tmp_path: Path
) -> None:
    weights = (real_data / "weights" / "resnet20-12fca82f.th").as_uri()
    teacher = load(tmp_path, architecture="cifar/resnet20a", weights=weights)
    images, labels = read_test_images(real_data / "cifar10_test5000_webp.zip", every=10)
    assert accuracy(teacher.network, images, labels) == pytest.approx(0.9142, abs=0.03)


@pytest.mark.data
@pytest.mark.parametrize("name", ["resnet20", "resnet32", "resnet44", "resnet56"])
def test_every_real_checkpoint_has_exactly_our_keys(name: str, real_data: Path) -> None:
    state = torch.load(real_data / "weights" / f"cifar100_{name}.pth", weights_only=True)
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in build(f"cifar/{name}", 100).module.state_dict().items()
    }


@pytest.mark.data
def test_real_weights_of_another_depth_are_refused(real_data: Path, tmp_path: Path) -> None:
    weights = (real_data / "weights" / "cifar100_resnet56.pth").as_uri()
    with pytest.raises(TeacherLoadFailed, match="does not fit cifar/resnet20: 216 unexpected"):
        load(tmp_path, architecture="cifar/resnet20", weights=weights)
