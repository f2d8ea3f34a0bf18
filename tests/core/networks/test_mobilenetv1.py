"""MobileNet v1 is TensorFlow's: its padding and epsilon, its counts, and the answers of its published weights."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from core.networks.blocks import blocks_of
from core.networks.facts import measure_network
from core.networks.inference import frozen_copy
from core.networks.selection import is_kin
from core.networks.teacher import load_teacher
from core.networks.zoo import build, outline
from core.policy import Policy
from core.spec import TeacherSpec
from core.system.workspace import Workspace

NAME = "tensorflow/mobilenet_v1_075"
WEIGHTS = "weights/mobilenet_v1_075_224_imagenet1k.pt"
SIDE = 224
ANT, BEE = 310, 309


# Parameters and million multiply-accumulates by table 8 of the paper and TensorFlow's README.
@pytest.mark.parametrize(("width", "num_params", "million_macs"), [
    ("025", 470_072, 41), ("050", 1_331_592, 150), ("075", 2_585_560, 325), ("100", 4_231_976, 569),
])  # fmt: skip
def test_the_counts_are_the_published_ones(width: str, num_params: int, million_macs: int) -> None:
    facts = measure_network(outline(f"tensorflow/mobilenet_v1_{width}"))
    assert (facts.num_params, facts.input_size, facts.num_classes) == (num_params, SIDE, 1000)
    assert round(facts.macs / 1e6) == pytest.approx(million_macs, abs=1)


def test_halving_convolutions_begin_at_the_first_pixel_as_tensorflows_do() -> None:
    network = build("tensorflow/mobilenet_v1_025", 3, image_size=32).eval()
    stem = network.module.stem
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mapped = stem(pixels)
    assert mapped.shape == (1, 8, 16, 16)
    weight = stem.conv.weight.detach()
    raised = torch.full((2,), 1 + 1e-3).rsqrt()[0]  # of a fresh batch norm
    first = (pixels[0, :, 0:3, 0:3] * weight).sum(dim=(1, 2, 3)) * raised
    last = (F.pad(pixels, (0, 1, 0, 1))[0, :, 30:33, 30:33] * weight).sum(dim=(1, 2, 3)) * raised
    torch.testing.assert_close(mapped[0, :, 0, 0], first.clamp(0, 6))
    torch.testing.assert_close(mapped[0, :, 15, 15], last.clamp(0, 6))


def test_every_resolution_has_a_tap_and_narrower_networks_are_kin() -> None:
    network = outline(NAME, 7)
    assert [(point.channels, point.height) for point in network.tap_points] == [
        (48, 112), (96, 56), (192, 28), (384, 14), (768, 7),
    ]  # fmt: skip
    assert len(blocks_of(network, 3)) == 6
    assert is_kin(outline("tensorflow/mobilenet_v1_050", 7), network)


def test_a_frozen_copy_has_every_batch_norm_folded() -> None:
    folded = frozen_copy(build("tensorflow/mobilenet_v1_025", 3, image_size=32).eval())
    assert not [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.mark.data
@pytest.mark.slow
def test_the_published_weights_name_107_of_153_insects(real_data: Path, tmp_path: Path) -> None:
    spec = TeacherSpec(architecture=NAME, weights=(real_data / WEIGHTS).as_uri())
    network = load_teacher(spec, Workspace(tmp_path, tmp_path, None, Policy())).network
    first = five = 0
    with zipfile.ZipFile(real_data / "hymenoptera_224px_jpeg.zip") as archive, torch.no_grad():
        names = [name for name in archive.namelist() if "val/" in name and name.endswith(".jpg")]
        for name in names:
            best = network(_centre(archive.read(name))).topk(5).indices[0].tolist()
            insect = ANT if "ants" in name else BEE
            first, five = first + (best[0] == insect), five + (insect in best)
    assert (first, five, len(names)) == (107, 134, 153)


def _centre(content: bytes) -> torch.Tensor:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
