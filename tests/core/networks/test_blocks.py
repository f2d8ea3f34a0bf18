"""The repeated blocks behind each tap, in networks of several makes."""

import pytest

from core.networks.blocks import blocks_of
from core.networks.zoo import outline


@pytest.mark.parametrize(
    ("name", "tap", "blocks"),
    [
        ("cifar/resnet14", "layer2", ["layer2.0", "layer2.1"]),
        ("cifar/resnet8", "layer2", ["layer2"]),
        ("cifar/wrn_16_2", "relu", ["block3.layer.0", "block3.layer.1"]),
        ("cifar/vgg8", "block4", ["block3", "block4"]),
        ("torchvision/mobilenet_v2", "features.6", ["features.4", "features.5", "features.6"]),
        ("timm/convnext_atto", "stages.1", ["stages.1.blocks.0", "stages.1.blocks.1"]),
        ("timm/regnety_002", "s3", ["s3.b1", "s3.b2", "s3.b3", "s3.b4"]),
        ("torchvision/vit_b_16", "encoder", [f"encoder.layers.encoder_layer_{place}" for place in range(12)]),
    ],
)
def test_blocks(name: str, tap: str, blocks: list[str]) -> None:
    network = outline(name, 6, image_size=64 if name.startswith(("timm/", "torchvision/mobilenet")) else None)
    assert [block.path for block in blocks_of(network, tap)] == blocks
    asked = network.tap(tap)
    assert {(block.channels, block.height) for block in blocks_of(network, tap)} == {(asked.channels, asked.height)}
