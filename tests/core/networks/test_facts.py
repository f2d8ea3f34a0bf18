"""Facts against closed forms, and the catalogue against the facts."""

import json
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from core.networks.catalogue import as_text, catalogue
from core.networks.facts import measure_network
from core.networks.network import InputFormat, Network
from core.networks.zoo import build, outline


def wrap(module: nn.Module, size: int, num_classes: int) -> Network:
    form = InputFormat(size, (0.5,) * 3, (0.5,) * 3)
    return Network(module, architecture="test/net", num_classes=num_classes, input=form)


def test_convolutions_groups_strides_and_linear_layers_are_counted_by_their_formula() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 12, 5, stride=2, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 6),
    )
    macs = 3 * 8 * 9 * 16 * 16 + (8 // 4) * 12 * 25 * 6 * 6 + 12 * 6
    network = wrap(module, 16, 6)
    assert measure_network(network).macs == macs
    facts = measure_network(network)
    params = 3 * 8 * 9 + 8 + 2 * 12 * 25 + 12 + 12 * 6 + 6
    assert (facts.num_params, facts.bytes, facts.macs, facts.input_size) == (params, 4 * params, macs, 16)


def test_buffers_count_as_bytes_and_not_as_parameters() -> None:
    facts = measure_network(build("cifar/resnet8", 10))
    norms = 3 * 16 + 3 * 32 + 3 * 64  # widths of the nine batch norms; each has a counter of 8 bytes besides
    assert facts.bytes == 4 * facts.num_params + 8 * norms + 8 * 9


@pytest.mark.parametrize("name", ["timm/vit_tiny_patch16_224", "torchvision/vit_b_32"])
def test_the_products_of_attention_are_counted(name: str) -> None:
    width, depth, hidden, patch, tokens = (192, 12, 768, 16, 17) if "tiny" in name else (768, 12, 3072, 32, 5)
    per_block = tokens * (4 * width * width + 2 * width * hidden) + 2 * tokens * tokens * width
    macs = (tokens - 1) * 3 * patch * patch * width + depth * per_block + width * 9
    assert measure_network(outline(name, 9, image_size=64)).macs == macs
    assert measure_network(build(name, 9, image_size=64)).macs == macs


def test_counting_changes_nothing_and_follows_the_input_size() -> None:
    network = build("cifar/resnet8", 10).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random = torch.random.get_rng_state()
    small = measure_network(network).macs
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())
    assert network.module.training
    large = measure_network(build("cifar/resnet8", 10, image_size=64)).macs
    assert large - 640 == 4 * (small - 640)  # all but the 64 x 10 of the classifier grows with the area


@pytest.mark.slow
def test_the_catalogue_is_json_with_params_and_macs_and_comes_quickly() -> None:
    start = time.process_time()
    rows = catalogue()
    assert time.process_time() - start < 20
    assert json.loads(json.dumps(rows)) == rows
    sizes = {(row["inputs"], row["size"]): row for row in rows["students"] if row["size"]}
    assert len(sizes) == 8
    assert sizes["small", "tiny"]["num_params"] == 278_324
    assert all(row["macs"] > 0 for row in rows["students"])
    teachers = {row["architecture"]: row for row in rows["teachers"]}
    assert teachers["torchvision/resnet50"]["num_params"] == 25_557_032
    assert teachers["torchvision/resnet50"]["macs"] == 4_089_000_000
    assert teachers["cifar/resnet32x4"]["macs"] == pytest.approx(1_083e6, rel=1e-3)
    assert teachers["timm/resnet10t.c3_in1k"]["published_weights"]
    assert not teachers["cifar/resnet32x4"]["published_weights"]


def test_the_shipped_catalogue_is_what_the_engine_says() -> None:
    """Where it is not: `make catalogue`."""
    shipped = json.loads((Path(__file__).parents[3] / "store" / "catalogue.json").read_text())
    found = catalogue()
    if shipped["libraries"] != found["libraries"]:
        pytest.skip(f"it is for {shipped['libraries']}, installed are {found['libraries']}")
    assert json.loads(as_text(found)) == shipped
