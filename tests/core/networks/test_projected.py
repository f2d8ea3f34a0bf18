"""Students with a projector and their teachers' classifier: their names, the zoo, files, ONNX, and loud refusals."""

import copy
import json
from pathlib import Path

import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from core.errors import ArchitectureUnknown, TeacherLoadFailed
from core.networks import zoo
from core.networks.facts import measure_network
from core.networks.inference import frozen_copy
from core.networks.initial import build_student
from core.networks.network import Network
from core.networks.projected import project
from core.networks.teacher import load_teacher
from core.policy import Policy
from core.results.export import export_model
from core.spec import StudentSpec, TeacherSpec
from core.spec.knobs.kd import KdKnobs
from core.spec.projected import Projection, base_of, name_projected, split_projected
from core.system.workspace import Workspace

CLASSES = ("cup", "bottle", "dish", "pan")
NAMES = {
    "cifar/resnet8+simkd-64x2": 32,
    "cifar/resnet8x4+simkd-256x2+64x4": 32,
    "cifar/resnet8+simkd-512x2.at4": 32,
    "cifar/vgg8+simkd-48x3.signed.linear20.hardswish.layernorm6": 32,
    "torchvision/mobilenet_v3_small+simkd-64x2": 64,
    "timm/test_vit+simkd-64x2.signed": 64,
    "timm/mobilenetv3_small_050+simkd-64x2": 64,
    "cifar/resnet8+simkd-64x2+simkd-32x2": 32,
}


def made(name: str, size: int, *, seed: int = 0) -> Network:
    """A network of four classes whose batch-norm statistics are not the initial ones."""
    torch.manual_seed(seed)
    network = zoo.build(name, len(CLASSES), image_size=size).train()
    with torch.no_grad():
        network(torch.rand(8, 3, size, size))
    return network.eval()


def some(size: int) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(5))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_all_that_building_needs(name: str) -> None:
    network, size = made(name, NAMES[name]), NAMES[name]
    assert network.architecture == name and network.num_classes == len(CLASSES)
    base, projections = split_projected(name)
    assert name_projected(base, projections) == name
    fresh = zoo.build(name, len(CLASSES), image_size=size).eval()
    fresh.module.load_state_dict(network.module.state_dict())
    with torch.no_grad():
        assert torch.equal(fresh(some(size)), network(some(size)))
    assert measure_network(zoo.outline(name, len(CLASSES), image_size=size)) == measure_network(network)


def test_a_name_spelled_out() -> None:
    base, projections = split_projected("timm/vit_tiny.augreg+simkd-384x2.at7.signed.linear20.relu6.layernorm12+8x8")
    assert base == "timm/vit_tiny.augreg" == base_of("timm/vit_tiny.augreg+simkd-384x2+simkd-8x8")
    assert projections == (
        Projection(384, 2, side=7, signed=True, neck=("linear20", "relu6", "layernorm12")),
        Projection(8, 8),
    )
    assert split_projected("cifar/resnet8") == ("cifar/resnet8", ())


@pytest.mark.parametrize(
    "suffix",
    [
        *("64", "64x", "064x2", "64x2.", "64x2.softmax", "64x2.signed.at4", "64x2+", "99999x2", "4x8", "64x2 "),
        *("+".join(["64x2"] * 10), "64x2+simkd-64x2+simkd-64x2+simkd-64x2", "64x2.linear0", "64x2\n"),
    ],
)
def test_what_is_no_such_name_is_refused_when_a_job_is_written(suffix: str) -> None:
    name = f"cifar/resnet8+simkd-{suffix}"
    with pytest.raises(ValidationError):
        StudentSpec(architecture=name)
    assert not zoo.is_known(name)
    with pytest.raises(ArchitectureUnknown):
        zoo.build(name, 4)


def test_a_base_that_nobody_knows_is_unknown_with_its_suffix() -> None:
    assert not zoo.is_known("cifar/resnet9+simkd-64x2")
    assert zoo.is_known("cifar/resnet8+simkd-64x2")
    with pytest.raises(TeacherLoadFailed, match="no published weights"):
        zoo.build("torchvision/resnet18+simkd-64x2", pretrained=True)


@pytest.mark.parametrize("name", ["torchvision/mobilenet_v3_small", "timm/convnext_atto", "timm/test_vit"])
def test_nothing_of_the_students_own_head_is_left(name: str) -> None:
    plain = zoo.build(name, 4, image_size=64)
    head = {id(parameter) for parameter in plain.classifier.parameters()}
    network = project(plain, [Projection(16, 2)], 4)
    kept = dict(network.module.encoder.named_parameters())
    assert not any(id(parameter) in head for parameter in kept.values())
    assert not any(key.startswith(("classifier.", "head.")) for key in kept)
    network.train()
    network(some(64)).sum().backward()
    idle = [key for key, parameter in kept.items() if parameter.grad is None]
    assert idle == [], "every weight that is left must be used"


def test_pooling_comes_after_the_projector() -> None:
    network = made("cifar/resnet8+simkd-64x2", 32)
    module = network.module
    with torch.no_grad():
        encoded = network.features(some(32), ("encoder.layer3",)).maps[0]
        after = module.classifier(module.projectors[0](encoded).mean(dim=(2, 3)))
        before = module.classifier(module.projectors[0](encoded.mean(dim=(2, 3), keepdim=True)).mean(dim=(2, 3)))
        logits = network(some(32))
    torch.testing.assert_close(logits, after, atol=1e-6, rtol=1e-5)
    assert (logits - before).abs().max() > 1e-3


def test_a_copy_stands_alone() -> None:
    network = made("cifar/resnet8+simkd-64x2", 32)
    with torch.no_grad():
        expected = network(some(32))
        copied = copy.deepcopy(network)
        for parameter in network.parameters():
            parameter.zero_()
        torch.testing.assert_close(copied(some(32)), expected)
        torch.testing.assert_close(frozen_copy(copied, (-1,))(some(32)), expected, atol=1e-4, rtol=1e-4)


def test_the_classifier_can_be_replaced_and_sliced() -> None:
    network = made("cifar/resnet8x4+simkd-256x2+64x4", 32)
    with torch.no_grad():
        expected = network(some(32))
        sliced = zoo.slice_head(copy.deepcopy(network), [2, 0])
        torch.testing.assert_close(sliced(some(32)), expected[:, [2, 0]])
        assert zoo.replace_head(network, 7)(some(32)).shape == (2, 7)


@pytest.fixture(scope="module", params=["cifar/resnet8+simkd-64x2+512x2.at4.signed", "timm/test_vit+simkd-64x2"])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Path]:
    name: str = request.param
    folder = tmp_path_factory.mktemp("inputs") / "job_01"
    folder.mkdir()
    network = made(name, NAMES.get(name, 32) if "vit" not in name else 64)
    size = network.input.size
    images = torch.randint(0, 256, (20, 3, size, size), generator=torch.Generator().manual_seed(0)).byte()
    export_model(
        network,
        folder,
        classes=CLASSES,
        preprocessing={},
        sample_images=images,
        views=lambda batch: batch.float() / 255,
    )
    return network, folder


def load(folder: Path, **spec: object) -> Network:
    return load_teacher(TeacherSpec(**spec), Workspace(folder, folder / "cache", folder.parent, Policy())).network


@pytest.mark.slow
def test_onnx_gives_the_same_answers_without_torch(published: tuple[Network, Path]) -> None:
    network, folder = published
    size = network.input.size
    pixels = network.prepare(some(size))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    logits = torch.from_numpy(session.run(None, {"images": pixels.numpy()})[0])
    with torch.no_grad():
        torch.testing.assert_close(logits, network(some(size)), atol=1e-4, rtol=1e-4)


def test_a_later_job_takes_it_as_teacher_and_as_student(published: tuple[Network, Path]) -> None:
    network, folder = published
    size = network.input.size
    with torch.no_grad():
        expected = network(some(size))
        torch.testing.assert_close(load(folder, weights="job:job_01")(some(size)), expected)
        named = load(folder, weights="job:job_01", architecture=network.architecture)
        torch.testing.assert_close(named(some(size)), expected)
        student = build_student(
            job_with(network.architecture, size),
            len(CLASSES),
            Workspace(folder, folder / "cache", folder.parent, Policy()),
            seed=0,
        )
        torch.testing.assert_close(student.eval()(some(size)), expected)


class _Job:
    """What build_student reads of a spec."""

    def __init__(self, student: StudentSpec, image_size: int) -> None:
        self.student, self.training, self.method = student, _Named(image_size=image_size), KdKnobs()


class _Named:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


def job_with(architecture: str, image_size: int) -> _Job:
    return _Job(StudentSpec(architecture=architecture, weights="job:job_01"), image_size)


def test_as_a_plain_network_it_is_refused_with_its_real_name(published: tuple[Network, Path]) -> None:
    network, folder = published
    base = base_of(network.architecture)
    with pytest.raises(TeacherLoadFailed, match="without a classifier of its own") as caught:
        load(folder, weights="job:job_01", architecture=base)
    assert network.architecture in str(caught.value.hint)


def test_weights_without_metadata_are_refused_as_a_plain_network_too(
    published: tuple[Network, Path], tmp_path: Path
) -> None:
    network, folder = published
    bare = {f"module.{key}": value for key, value in load_file(folder / "model.safetensors").items()}
    save_file(bare, tmp_path / "bare.safetensors")
    uri = (tmp_path / "bare.safetensors").as_uri()
    for plain in (base_of(network.architecture), "cifar/resnet20"):
        with pytest.raises(TeacherLoadFailed, match="an encoder without a classifier of its own"):
            load(tmp_path, weights=uri, architecture=plain)
    metadata = {"image_size": str(network.input.size)}
    save_file(bare, tmp_path / "bare.safetensors", metadata=metadata)
    loaded = load(tmp_path, weights=uri, architecture=network.architecture)
    with torch.no_grad():
        torch.testing.assert_close(loaded(some(network.input.size)), network(some(network.input.size)))


def test_the_metadata_names_it_whole(published: tuple[Network, Path]) -> None:
    network, folder = published
    size = int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
    header = json.loads((folder / "model.safetensors").read_bytes()[8 : 8 + size])
    assert header["__metadata__"]["architecture"] == network.architecture
    assert network.input == load(folder, weights="job:job_01").input
