"""The loss of OFA-KD against numpy, and its exits on networks of any make."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_batch, make_context, make_network

from core.errors import UserError
from core.methods.contract import Batch
from core.methods.ofa import Ofa, convolutional_exit, ofa_losses, stage_points, token_exit
from core.networks.network import Features
from core.spec.knobs.ofa import OfaKnobs

LABELS = torch.tensor([6, 0, 3, 3, 1])


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numpy_ofa(student: Any, teacher: Any, labels: Any, gamma: Any, temperature: Any) -> Any:
    losses = []
    for z_s, z_t, y in zip(student, teacher, labels, strict=True):
        p_s, p_t = softmax(z_s / temperature), softmax(z_t / temperature)
        others = sum(p_t[k] ** gamma * np.log(p_s[k]) for k in range(len(p_s)) if k != y)
        losses.append(-others - ((p_t[y] + 1) ** gamma - 1) * np.log(p_s[y]))
    return np.array(losses)


@pytest.mark.parametrize(("gamma", "temperature"), [(1.0, 1.0), (1.4, 1.0), (3.0, 2.0)])
def test_the_loss_is_that_of_numpy(gamma: float, temperature: float) -> None:
    student, teacher = logits(0), logits(1)
    losses = ofa_losses(student, teacher, LABELS, gamma=gamma, temperature=temperature)
    expected = numpy_ofa(student.numpy(), teacher.numpy(), LABELS.tolist(), gamma, temperature)
    np.testing.assert_allclose(losses.numpy(), expected, atol=1e-11)


def test_with_gamma_one_it_is_the_cross_entropy_of_soft_labels() -> None:
    student, teacher = logits(2), logits(3)
    loss = ofa_losses(student, teacher, LABELS, gamma=1.0, temperature=1.0).mean()
    expected = torch.nn.functional.cross_entropy(student, teacher.softmax(dim=1))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


def test_a_larger_gamma_draws_the_student_to_the_label_most_where_the_teacher_is_sure_of_it() -> None:
    teacher = torch.tensor([[4.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    pulls = []
    for gamma in (1.0, 1.5):
        student = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
        ofa_losses(student, teacher, torch.tensor([0, 0]), gamma=gamma, temperature=1.0).sum().backward()
        pulls.append(-student.grad[:, 0])
    assert (pulls[1] > pulls[0]).all()
    assert pulls[1][0] - pulls[0][0] > pulls[1][1] - pulls[0][1]


def test_gradcheck() -> None:
    teacher = logits(4)
    assert torch.autograd.gradcheck(
        lambda z: ofa_losses(z, teacher, LABELS, gamma=1.4, temperature=1.0), logits(5).requires_grad_()
    )


def test_a_student_that_is_wholly_sure_of_another_class_stays_finite() -> None:
    student = torch.zeros(1, 3, dtype=torch.bfloat16)
    student[0, 2] = 500.0
    losses = ofa_losses(student, torch.zeros(1, 3), torch.tensor([0]), gamma=1.4, temperature=1.0)
    assert torch.isfinite(losses).all() and losses.dtype == torch.float32


def test_exits_of_convolutions_halve_to_the_last_map() -> None:
    exit_of = convolutional_exit(16, 2, 256, 4)
    strides = [layer.stride[0] for layer in exit_of.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert strides.count(2) == 2
    assert exit_of[:2](torch.rand(3, 16, 32, 32)).shape == (3, 256, 8, 8)
    assert exit_of(torch.rand(3, 16, 32, 32)).shape == (3, 4)
    assert convolutional_exit(64, 0, 256, 4)(torch.rand(3, 64, 8, 8)).shape == (3, 4)


@pytest.mark.parametrize(("side", "width", "left"), [(14, 48, 7), (28, 48, 7), (4, 32, 4), (4, 48, 4), (9, 48, 9)])
def test_exits_of_tokens_merge_patches_to_seven_by_seven(side: int, width: int, left: int) -> None:
    exit_of = token_exit(32, side, 2, width, 4)
    before = exit_of[:-2](torch.rand(2, 32, side, side))
    assert before.shape == (2, width, left, left)
    assert exit_of(torch.rand(2, 32, side, side)).shape == (2, 4)


def test_merged_patches_see_their_own_four_pixels_alone() -> None:
    merge = token_exit(3, 8, 1, 4, 2)[:2]
    image = torch.rand(1, 3, 8, 8)
    changed = image.clone()
    changed[:, :, 3, 6] += 1
    moved = (merge(image) - merge(changed)).abs().sum(dim=1)[0] > 1e-6
    assert moved.nonzero().tolist() == [[1, 3]]


@pytest.mark.parametrize(
    ("architecture", "size", "expected"),
    [
        ("cifar/resnet8", 32, ["layer1", "layer2", "layer3"]),
        ("cifar/vgg8", 32, ["block0", "block1", "block2", "block4"]),
        ("timm/vit_tiny_patch16_224", 64, ["blocks.2", "blocks.5", "blocks.8", "blocks.11"]),
    ],
)
def test_exits_are_at_resolutions_or_at_the_quarters_of_the_blocks(
    architecture: str, size: int, expected: list[str]
) -> None:
    assert [point.path for point in stage_points(make_network(architecture, image_size=size))] == expected


@pytest.mark.parametrize(
    ("student", "teacher", "size"),
    [("timm/vit_tiny_patch16_224", "cifar/resnet14", 64), ("cifar/resnet8", "timm/vit_tiny_patch16_224", 32)],
)
def test_convolutions_and_tokens_teach_each_other(student: str, teacher: str, size: int) -> None:
    network = make_network(student, image_size=size)
    method = Ofa(OfaKnobs(), make_context(student=network, teacher=teacher, image_size=size))
    batch = make_batch(method, 2, size=size)
    terms = next(method.updates(batch)).terms
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(term) for term in terms.values())
    gradients = [parameter.grad for parameter in (*method.exits.parameters(), *network.parameters())]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def ofa(**knobs: Any) -> Ofa:
    return Ofa(OfaKnobs(**knobs), make_context(image_size=8))


def test_the_exits_losses_are_summed() -> None:
    method = ofa(gamma=1.4, weight=0.5, exit_weight=2.0)
    method.eval()
    method.context.student.eval()
    batch = make_batch(method)
    terms = next(method.updates(batch)).terms
    labels = batch.targets.tolist()
    with torch.no_grad():
        seen = method.context.student.features(batch.views, (0, 1, 2))
        teacher = method.context.teacher(batch.views).double().numpy()[:, [5, 0, 3, 2]]
        early = [leave(each).double().numpy() for leave, each in zip(method.exits, seen.maps, strict=True)]
    final = numpy_ofa(seen.logits.double().numpy(), teacher, labels, 1.4, 1.0).mean()
    exits = sum(numpy_ofa(each, teacher, labels, 1.4, 1.0).mean() for each in early)
    assert terms["final"].item() == pytest.approx(0.5 * final, rel=1e-5)
    assert terms["exits"].item() == pytest.approx(2 * exits, rel=1e-5)


def test_a_mixed_image_counts_both_labels_by_their_shares() -> None:
    method = ofa(gamma=2.0)
    student, teacher = logits(6, classes=4), logits(7, classes=6)
    maps = tuple(torch.zeros(5, width, 4, 4) for width in (16, 32, 64))

    def final(targets: Any) -> Any:
        batch = Batch(torch.zeros(5, 3, 8, 8), targets, torch.arange(5), teacher=Features(teacher, None, ()))
        return method.terms(Features(student, None, maps), batch)["final"].item()

    first, second = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([2, 0, 1, 1, 3])
    rows = 0.7 * torch.eye(4)[first] + 0.3 * torch.eye(4)[second]
    assert final(rows) == pytest.approx(0.7 * final(first) + 0.3 * final(second), rel=1e-5)


def test_exits_by_path_and_none_is_deployed() -> None:
    method = ofa(taps=("layer2",))
    assert method.needs.student_taps == ("layer2",) and len(method.exits) == 1
    assert method.deployed().state_dict().keys() == make_network("cifar/resnet8").state_dict().keys()
    with pytest.raises(UserError, match=r"unknown tap 'layr2'.*'layer2'"):
        ofa(taps=("layr2",))
