"""Weights for a small network out of a large one: element by element against loops, and by what it then does."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import SpecInvalid
from core.networks import zoo
from core.networks.selection import evenly_spaced, is_kin, select_weights, share_from


def network(architecture: Any, classes: int = 10, size: int = 32, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    built = zoo.build(architecture, classes, image_size=size).eval()
    for part in built.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return built


def state(network: Any) -> Any:
    return {name: value.clone() for name, value in network.module.state_dict().items()}


def same(one: Any, other: Any) -> Any:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("shape", [(3, 4, 2, 2), (5, 7, 2, 2), (6, 9, 2, 2)])
def test_elements_are_evenly_spaced_in_both_dimensions_of_channels(shape: tuple[int, ...]) -> None:
    values = torch.randn(6, 9, 2, 2)
    expected = np.empty(shape, dtype=np.float32)
    for i, j in np.ndindex(shape[:2]):
        expected[i, j] = values[int(i * 6 / shape[0]), int(j * 9 / shape[1])]
    assert np.array_equal(evenly_spaced(values, torch.Size(shape)).numpy(), expected)


@pytest.mark.parametrize("shape", [(7, 9, 2, 2), (6, 10, 2, 2), (6, 9, 1, 1), (6, 9), (6, 9, 2, 2, 1)])
def test_a_larger_tensor_or_another_kernel_has_no_elements_there(shape: tuple[int, ...]) -> None:
    assert evenly_spaced(torch.randn(6, 9, 2, 2), torch.Size(shape)) is None


def test_a_network_of_the_teachers_own_kind_becomes_the_teacher_for_the_classes() -> None:
    teacher, student = network("cifar/resnet20", 10), network("cifar/resnet20", 3, seed=1)
    assert share_from(student, teacher) == 1
    select_weights(student, teacher, torch.tensor([7, 0, 2]))
    pixels = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(student(pixels), teacher(pixels)[:, [7, 0, 2]])


def test_the_first_blocks_of_each_stage_are_taken_whole() -> None:
    teacher, student = network("cifar/resnet20"), network("cifar/resnet8", seed=1)
    assert share_from(student, teacher) == 1
    select_weights(student, teacher, torch.arange(10))
    theirs, ours = state(teacher), state(student)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if "num_batches" not in name)
    assert len(ours) < len(theirs)


def test_a_small_network_hidden_in_a_wide_one_is_found_again() -> None:
    small = network("cifar/resnet8x2", 4, seed=2)
    wide, found = network("cifar/resnet14x6", 4, seed=3), network("cifar/resnet8x2", 4, seed=4)
    theirs = wide.module.state_dict()
    for name, value in state(small).items():
        if value.dim() == 0:
            continue
        target = theirs[name]
        rows = range(0, target.shape[0], target.shape[0] // value.shape[0])
        for row, place in enumerate(rows):
            if value.dim() == 1:
                target[place] = value[row]
                continue
            columns = range(0, target.shape[1], target.shape[1] // value.shape[1])
            for column, where in enumerate(columns):
                target[place, where] = value[row, column]
    select_weights(found, wide, torch.arange(4))
    pixels = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(found(pixels), small(pixels))


def test_queries_keys_and_values_of_a_narrower_transformer_come_from_theirs() -> None:
    teacher = network("timm/vit_small_patch16_224", 10, 32)
    student = network("timm/vit_tiny_patch16_224", 10, 32, seed=1)
    assert share_from(student, teacher) == 1
    select_weights(student, teacher, None)
    theirs, ours = state(teacher), state(student)
    name = "blocks.3.attn.qkv.weight"
    for ours_of, theirs_of in zip(ours[name].chunk(3), theirs[name].chunk(3), strict=True):
        assert torch.equal(ours_of, theirs_of[::2, ::2])
    assert torch.equal(ours["pos_embed"], theirs["pos_embed"][:, :, ::2])


def test_positions_of_another_number_of_tokens_are_not_taken() -> None:
    assert evenly_spaced(torch.randn(1, 5, 8), torch.Size((1, 3, 4))) is None


def test_without_common_classes_the_head_stays_as_it_was() -> None:
    teacher, student = network("cifar/resnet20", 10), network("cifar/resnet8", 3, seed=1)
    before = state(student)
    select_weights(student, teacher, None)
    after = state(student)
    assert torch.equal(before["fc.weight"], after["fc.weight"]) and torch.equal(before["fc.bias"], after["fc.bias"])
    assert not torch.equal(before["conv1.weight"], after["conv1.weight"])


def test_the_student_sees_images_as_the_teacher_does() -> None:
    teacher, student = network("cifar/resnet20"), network("cifar/resnet8")
    teacher.with_input(type(teacher.input)(32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))
    select_weights(student, teacher, None)
    assert (student.input.mean, student.input.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_the_share_counts_weights_and_statistics_without_the_head() -> None:
    teacher, student = network("cifar/resnet8"), network("cifar/resnet14")
    blocks = [f"layer{stage}.1." for stage in (1, 2, 3)]
    sizes = {name: value.numel() for name, value in state(student).items() if value.is_floating_point()}
    body = {name: size for name, size in sizes.items() if not name.startswith("fc.")}
    missing = sum(size for name, size in body.items() if any(name.startswith(block) for block in blocks))
    assert share_from(student, teacher) == pytest.approx(1 - missing / sum(body.values()))


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        ("torchvision/resnet18", "torchvision/resnet34", True),
        ("torchvision/efficientnet_b0", "torchvision/efficientnet_b3", True),
        ("torchvision/resnet18", "torchvision/resnet50", False),
        ("torchvision/mobilenet_v3_small", "torchvision/resnet50", False),
    ],
)
def test_a_family_shares_layers_as_well_as_weights(student: str, teacher: str, expected: bool) -> None:
    assert is_kin(zoo.outline(student), zoo.outline(teacher)) == expected


def test_most_of_the_weights_in_few_of_the_layers_make_no_family() -> None:
    small, large = zoo.outline("torchvision/vgg11"), zoo.outline("torchvision/vgg16")
    assert share_from(small, large) > 0.9, "the dense layers, behind convolutions that stand elsewhere"
    assert not is_kin(small, large)


@pytest.mark.parametrize("student", ["cifar/wrn_16_2", "cifar/resnet8x4", "torchvision/mobilenet_v3_small"])
def test_a_student_of_another_family_is_refused_and_left_alone(student: str) -> None:
    teacher, refused = network("cifar/resnet20"), network(student, seed=1)
    before = copy.deepcopy(state(refused))
    with pytest.raises(SpecInvalid, match=rf"'teacher': only \d+% of {student} .* cifar/resnet20, at least 50%"):
        select_weights(refused, teacher, torch.arange(10))
    assert same(state(refused), before)


def test_what_follows_from_the_shape_alone_is_left_as_it_is() -> None:
    teacher, student = network("cifar/resnet20"), network("cifar/resnet8", seed=1)
    for part, value in ((teacher, 1.0), (student, 0.0)):
        part.module.layer1[0].register_buffer("mask", torch.full((2, 2), value))
    select_weights(student, teacher, None)
    assert student.module.layer1[0].mask.eq(0).all() and share_from(student, teacher) == 1
