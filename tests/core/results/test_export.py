import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from core.errors import ExportParityFailed, InternalError
from core.networks.zoo import build
from core.results import export
from core.results.export import export_model
from core.results.onnx import read_facts, write_onnx
from core.results.parity import TOLERANCE, check_parity, compare

pytestmark = pytest.mark.slow

CLASSES = ("cup", "bottle", "Äpfel <b>")
NETWORKS = {
    "cifar/resnet8": 32,
    "torchvision/resnet18": 48,
    "torchvision/mobilenet_v3_small": 48,
    "timm/mobilenetv3_small_050": 48,
    "timm/test_vit": 64,
    "tensorflow/mobilenet_v1_025": 64,
}


def views(images: Any) -> Any:
    return images.float() / 255


def images_of(size: Any, num_images: int = 70) -> Any:
    return torch.randint(0, 256, (num_images, 3, size, size), generator=torch.Generator().manual_seed(3)).byte()


def settled(architecture: Any, size: Any) -> Any:
    """A network whose batch statistics are not the initial ones, as after training."""
    torch.manual_seed(0)
    network = build(architecture, len(CLASSES), image_size=size).train()
    with torch.no_grad():
        network(views(images_of(size, 16)))
    return network


def publish(network: Any, folder: Path, exports: Any = ("safetensors", "onnx"), num_images: int = 70) -> Any:
    images = images_of(network.input.size, num_images)
    preprocessing = {"image_size": network.input.size}
    return export_model(
        network,
        folder,
        classes=CLASSES,
        preprocessing=preprocessing,
        sample_images=images,
        views=views,
        exports=exports,
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The small CIFAR network, its state before the export, and the folder of its files."""
    folder, network = tmp_path_factory.mktemp("published"), settled("cifar/resnet8", 32)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    publish(network, folder)
    return network, before, folder


@pytest.mark.parametrize(("architecture", "size"), NETWORKS.items())
def test_both_files_answer_as_the_network_does(
    architecture: Any, size: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = settled(architecture, size)
    paths = publish(network, tmp_path)
    assert [path.name for path in paths] == ["model.safetensors", "model.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.safetensors"]
    assert capfd.readouterr().out == "", "stdout carries the engine's events"

    images = images_of(size, 9)
    session = onnxruntime.InferenceSession(paths[1])
    pixels = (images.numpy() / 255 - np.array(network.input.mean).reshape(3, 1, 1)) / np.array(
        network.input.std
    ).reshape(3, 1, 1)
    with torch.no_grad():
        expected = network.eval()(views(images)).numpy()
    for batch in (pixels, pixels[:1]):
        actual = session.run(["logits"], {"images": batch.astype(np.float32)})[0]
        np.testing.assert_allclose(actual, expected[: len(batch)], atol=1e-4)

    fresh = build(architecture, len(CLASSES), image_size=size).eval()
    fresh.module.load_state_dict(load_file(paths[0]), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(fresh(views(images)).numpy(), expected)


def test_the_network_itself_is_left_alone(published: Any) -> None:
    network, before, _ = published
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_safetensors_header_says_what_the_file_is(published: Any) -> None:
    network, _, folder = published
    with safe_open(folder / "model.safetensors", "pt") as file:
        header = file.metadata()
        assert set(file.keys()) == set(network.module.state_dict())
    assert header["retort"] == "1" and header["architecture"] == "cifar/resnet8"
    assert json.loads(header["classes"]) == list(CLASSES)
    assert (header["num_classes"], header["image_size"]) == ("3", "32")
    assert tuple(json.loads(header["mean"])) == pytest.approx(network.input.mean)
    assert tuple(json.loads(header["std"])) == pytest.approx(network.input.std)


def test_the_onnx_file_stands_alone_and_says_what_it_is(published: Any) -> None:
    _, _, folder = published
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    notes = onnxruntime.InferenceSession(folder / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(notes["classes"]) == list(CLASSES)
    assert json.loads(notes["preprocessing"]) == {"image_size": 32}
    assert notes["architecture"] == "cifar/resnet8"
    facts = read_facts(folder / "model.onnx")
    assert facts["architecture"] == "cifar/resnet8" and facts["classes"] == list(CLASSES)
    assert facts["parity"]["num_images"] == 70 and facts["parity"]["max_difference"] <= TOLERANCE
    batch, *shape = model.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param == "batch" and [dim.dim_value for dim in shape] == [3, 32, 32]
    assert not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)


def test_the_onnx_file_tells_nothing_of_the_machine_that_wrote_it(published: Any) -> None:
    _, _, folder = published
    content = (folder / "model.onnx").read_bytes()
    assert b"site-packages" not in content and str(folder).encode() not in content


def test_a_network_in_training_mode_is_written_as_it_answers_in_use(tmp_path: Path) -> None:
    network = settled("cifar/resnet8", 32)
    write_onnx(network, tmp_path / "model.onnx")
    assert network.training
    check_parity(network.eval(), tmp_path / "model.onnx", images_of(32, 5), views)


def test_exports_are_only_what_was_asked_for(tmp_path: Path) -> None:
    paths = publish(settled("cifar/resnet8", 32), tmp_path, exports=("safetensors",))
    assert [path.name for path in paths] == [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_tied_weights_are_written(tmp_path: Path) -> None:
    network = settled("cifar/resnet8", 32)
    network.module.also_fc = network.module.fc
    publish(network, tmp_path, exports=("safetensors",))
    tensors = load_file(tmp_path / "model.safetensors")
    assert torch.equal(tensors["also_fc.weight"], tensors["fc.weight"])


def test_an_onnx_file_of_other_weights_is_refused(published: Any) -> None:
    _, _, folder = published
    other = settled("cifar/resnet8", 32).eval()
    nn.init.normal_(other.module.fc.weight)
    with pytest.raises(ExportParityFailed, match=r"logits differ by .* on test image 0; allowed: 0.0001"):
        check_parity(other, folder / "model.onnx", images_of(32, 5), views)


def test_a_refused_onnx_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = settled("cifar/resnet8", 32)

    def write_wrong(network: Any, path: Path) -> None:
        with torch.no_grad():
            network.module.fc.bias += 0.01
        write_right(network, path)
        with torch.no_grad():
            network.module.fc.bias -= 0.01

    write_right = export.write_onnx
    monkeypatch.setattr(export, "write_onnx", write_wrong)
    with pytest.raises(ExportParityFailed, match="cifar/resnet8"):
        publish(network, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_network_that_onnx_cannot_say_is_an_error_that_names_it(tmp_path: Path) -> None:
    class Stubborn(nn.Module):
        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module = module

        def forward(self, images: Any) -> Any:
            return self.module(images) if float(images.sum()) > 0 else self.module(images) * 2

    network = settled("cifar/resnet8", 32)
    network.module = Stubborn(network.module)
    with pytest.raises(InternalError, match="cifar/resnet8 cannot be written as ONNX"):
        publish(network, tmp_path, exports=("onnx",))
    assert list(tmp_path.iterdir()) == []


def test_differences_are_judged_on_the_scale_of_the_logits() -> None:
    large = torch.tensor([[2000.0, 10.0]])
    assert compare(large, large + 0.1, 0, "net")[0] == pytest.approx(5e-5, rel=1e-3)
    with pytest.raises(ExportParityFailed, match="test image 7"):
        compare(torch.tensor([[0.2, 0.1]]), torch.tensor([[0.2, 0.1002]]), 7, "net")


def test_a_tie_may_fall_either_way_and_nothing_else_may() -> None:
    assert compare(torch.tensor([[0.5, 0.50001]]), torch.tensor([[0.50001, 0.5]]), 0, "net")[1] == 1
    assert compare(torch.tensor([[0.5, 0.7]]), torch.tensor([[0.5, 0.7]]), 0, "net")[1] == 0


def test_logits_that_are_not_numbers_are_refused() -> None:
    nan = torch.tensor([[float("nan"), 1.0]])
    with pytest.raises(ExportParityFailed, match="differ by nan"):
        compare(nan, nan, 0, "net")
