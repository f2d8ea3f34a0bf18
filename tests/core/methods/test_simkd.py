"""The reused classifier: exactness, what moves and what does not, several teachers, and training without any image."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from simkd_cases import CHOSEN, settled, simkd, steps, two_teachers
from tiny import (
    make_batch,
    make_context,
    make_network,
    make_trainer,
    make_training,
    same_weights,
    snapshot,
)
from torch import nn

from core.errors import UserError
from core.methods.simkd import feature_loss
from core.networks.projected import build_projector
from core.networks.taps import TapPoint
from core.spec.projected import Projection


class Given(nn.Module):
    """A projector that answers with a map given beforehand."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, encoded: Any) -> Any:
        return self.answer


TEACHERS = {
    "cifar/resnet14": (32, "map", ()),
    "cifar/wrn_10_1": (32, "map", ()),
    "torchvision/mobilenet_v3_small": (64, "map", ("linear1024", "hardswish")),
    "timm/convnext_atto": (64, "map", ("layernorm6",)),
    "torchvision/densenet121": (64, "map", ()),
    "timm/test_vit": (64, "vector", ()),
    "timm/deit_tiny_distilled_patch16_224": (64, "vector", ()),
}


@pytest.mark.parametrize("architecture", TEACHERS)
def test_with_the_teachers_own_features_it_gives_the_teachers_own_logits(architecture: Any) -> None:
    size, form, neck = TEACHERS[architecture]
    teacher = settled(architecture, image_size=size)
    method = simkd(replace(make_context(), teacher=teacher))
    assert (method.forms, method.context.student.module.projections[0].neck) == ([form], neck)
    views = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        seen = teacher.features(views)
        answer = seen.maps[0] if form == "map" else seen.pooled[..., None, None]
        method.context.student.module.projectors[0] = Given(answer)
        logits = method.deployed().eval()(views)
    torch.testing.assert_close(logits, seen.logits[:, CHOSEN], atol=1e-6, rtol=1e-5)


def test_a_teacher_whose_classifier_is_not_linear_is_refused() -> None:
    with pytest.raises(UserError, match="squeezenet1_1: its logits are not linear"):
        simkd(replace(make_context(), teacher=settled_squeezenet()))


def settled_squeezenet() -> Any:
    return make_network("torchvision/squeezenet1_1", 6, image_size=64).eval().requires_grad_(False)


def maps(seed: Any, *shape: Any) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_that_of_numpy() -> None:
    student, same, larger, vector = maps(0, 2, 3, 4, 4), maps(1, 2, 3, 4, 4), maps(2, 2, 3, 8, 8), maps(3, 2, 3)
    pooled = larger.numpy().reshape(2, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    expected = ((student.numpy() - same.numpy()) ** 2).sum() / (2 * 3 * 4 * 4)
    expected += ((student.numpy() - pooled) ** 2).mean()
    expected += ((student.numpy().mean(axis=(2, 3)) - vector.numpy()) ** 2).sum() / (2 * 3)
    actual = feature_loss([student] * 3, [same, larger, vector])
    assert actual.item() == pytest.approx(expected, abs=1e-12)


def test_gradcheck() -> None:
    targets = [maps(4, 2, 3, 4, 4), maps(5, 2, 3)]
    assert torch.autograd.gradcheck(lambda s: feature_loss([s, s], targets), maps(6, 2, 3, 2, 2).requires_grad_())


def test_half_precision_is_computed_in_float32() -> None:
    student, teacher = maps(7, 2, 3, 4, 4).bfloat16(), maps(8, 2, 3, 4, 4).bfloat16()
    loss = feature_loss([student], [teacher])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((student.double() - teacher.double()).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize(("factor", "expected"), [(2, 214_016), (4, 70_400), (8, 26_240)])
def test_a_projector_has_the_parameters_of_the_paper(factor: int, expected: int) -> None:
    projector = build_projector(256, Projection(256, factor))
    assert sum(parameter.numel() for parameter in projector.parameters()) == expected


def test_the_labels_say_nothing_unless_asked() -> None:
    assert same_weights(steps(simkd()), steps(simkd(), changed_labels=True))
    assert not same_weights(steps(simkd(label_weight=1.0)), steps(simkd(label_weight=1.0), changed_labels=True))


def test_the_label_term_is_the_cross_entropy_behind_the_teachers_classifier() -> None:
    method = simkd(label_weight=0.3)
    method.set_training_mode()
    update = next(method.updates(make_batch(method)))
    probabilities = torch.softmax(update.logits.detach().double(), dim=1).numpy()
    expected = -0.3 * np.log(probabilities[range(6), make_batch(method).targets]).mean()
    assert update.terms["label"].item() == pytest.approx(expected, rel=1e-5)


def test_encoder_and_projector_learn_and_the_classifier_never_moves() -> None:
    context = make_context(image_size=8)
    teacher, plain = context.teacher, make_network("cifar/resnet8")
    method = simkd(context)
    module = method.context.student.module
    before = snapshot(module)
    make_trainer(method, make_training(max_steps=3)).run()
    after = method.deployed().module.state_dict()
    assert torch.equal(after["classifier.weight"], teacher.classifier.weight[CHOSEN])
    assert torch.equal(after["classifier.bias"], teacher.classifier.bias[CHOSEN])
    moved = {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"encoder", "projectors"}
    in_encoder = sum(parameter.numel() for parameter in plain.parameters()) - (64 * 4 + 4)
    in_projector = 64 * 32 + 2 * 32 + 32 * 32 * 9 + 2 * 32 + 32 * 64 + 2 * 64
    assert sum(parameter.numel() for parameter in module.parameters()) == in_encoder + in_projector + 64 * 4 + 4
    assert not any(name.startswith("encoder.fc") for name in after)
    assert method.deployed().architecture == "cifar/resnet8+simkd-64x2"


def test_the_students_larger_map_is_averaged_before_the_projector() -> None:
    method = simkd(make_context(teacher="cifar/vgg8"))
    assert method.deployed().architecture == "cifar/resnet8+simkd-512x2.at4"
    views = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert method.context.student.features(views, ("projectors.0",)).maps[0].shape == (2, 512, 4, 4)


def test_the_teachers_larger_map_is_averaged_in_the_loss() -> None:
    method = simkd(make_context(student=make_network("cifar/vgg8"), teacher="cifar/resnet14"))
    assert method.deployed().architecture == "cifar/vgg8+simkd-64x2"
    method.set_training_mode()
    batch = make_batch(method, size=32)
    with torch.no_grad():
        projected = method.context.student.features(batch.views, ("projectors.0",)).maps[0].numpy()
        target = batch.teacher.maps[0].numpy().reshape(6, 64, 4, 2, 4, 2).mean(axis=(3, 5))
    loss = next(method.updates(batch)).terms["feature"].item()
    assert loss == pytest.approx(((projected - target) ** 2).mean(), rel=1e-4)


def test_several_teachers_have_their_losses_added_and_their_outputs_averaged() -> None:
    context = two_teachers()
    method = simkd(context, weight=2.0)
    assert method.deployed().architecture == "cifar/resnet8+simkd-256x2+64x2"
    method.set_training_mode()
    batch = make_batch(method)
    with torch.no_grad():
        student = method.context.student.features(batch.views, method.needs.student_taps)
        targets = [batch.teacher.maps[0], batch.other_teachers[0].maps[0]]
        assert [target.shape[1] for target in targets] == [256, 64]
        distances = [((s - t) ** 2).mean().item() for s, t in zip(student.maps, targets, strict=True)]
        each = [
            teacher.classifier(projected.mean(dim=(2, 3)))[:, indices]
            for teacher, projected, indices in zip(
                (context.teacher, *context.more_teachers),
                student.maps,
                (CHOSEN, *context.more_class_indices),
                strict=True,
            )
        ]
    assert next(method.updates(batch)).terms["feature"].item() == pytest.approx(2 * sum(distances), rel=1e-4)
    torch.testing.assert_close(student.logits, (each[0] + each[1]) / 2, atol=1e-5, rtol=1e-4)


def test_two_teachers_that_are_alike_answer_as_one() -> None:
    context = make_context(image_size=8)
    twice = replace(context, more_teachers=(context.teacher,), more_class_indices=(CHOSEN,))
    method = simkd(twice)
    batch = make_batch(method)
    for place in range(2):
        method.context.student.module.projectors[place] = Given(batch.teacher.maps[0])
    with torch.no_grad():
        logits = method.deployed().eval()(batch.views)
    torch.testing.assert_close(logits, batch.teacher.logits[:, CHOSEN], atol=1e-6, rtol=1e-5)


def test_features_below_zero_can_be_fitted() -> None:
    """With the last ReLU the mean square of the target's negative half would be the least possible loss."""
    target = torch.tensor([-1.0, 1.0, -1.0, 1.0]).view(1, 4, 1, 1).expand(16, 4, 2, 2)
    floor = target.clamp(max=0).square().mean().item()
    encoded = maps(10, 16, 8, 2, 2).float()
    reached = {}
    for signed in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            projector = build_projector(8, Projection(4, 1, signed=signed))
        optimizer = torch.optim.Adam(projector.parameters(), lr=0.02)
        for _ in range(80):
            optimizer.zero_grad()
            loss = feature_loss([projector(encoded)], [target])
            loss.backward()
            optimizer.step()
        reached[signed] = loss.item()
    assert reached[True] < 0.2 * floor
    assert floor <= reached[False]
    assert (
        "signed"
        in simkd(replace(make_context(), teacher=settled("timm/test_vit", image_size=64))).deployed().architecture
    )
    assert "signed" not in simkd().deployed().architecture


def test_a_vision_transformer_can_be_the_student() -> None:
    student = make_network("timm/test_vit", image_size=64)
    method = simkd(make_context(student=student, teacher="cifar/resnet8x4", image_size=64))
    make_trainer(method, make_training(max_steps=2, image_size=64)).run()
    assert method.deployed().architecture.startswith("timm/test_vit+simkd-256x2")


def test_projectors_change_no_other_random_draw() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = simkd(data_free=True)
    assert torch.equal(torch.rand(4), expected)
    again = simkd(data_free=True)
    assert same_weights(first.state_dict(), again.state_dict())
    assert same_weights(snapshot(first.deployed()), snapshot(again.deployed()))


@pytest.mark.parametrize("kind", ["one", "several", "data_free"])
def test_a_resumed_training_is_the_same_bit_for_bit(kind: str) -> None:
    def build() -> Any:
        return simkd(two_teachers() if kind == "several" else None, data_free=kind == "data_free")

    whole = make_trainer(build(), make_training(max_steps=6))
    states = []
    whole.after_step = lambda trainer: states.append(copied(trainer.state_dict())) if trainer.step == 3 else None
    whole.run()
    resumed = make_trainer(build(), make_training(max_steps=6))
    resumed.load_state_dict(states[0])
    resumed.run()
    assert same_weights(snapshot(whole.method.deployed()), snapshot(resumed.method.deployed()))
    assert same_weights(snapshot(whole.method), snapshot(resumed.method))


def copied(state: Any) -> Any:
    """As a file would hold it: later steps must not reach it."""
    if isinstance(state, dict):
        return {key: copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(copied(value) for value in state)
    return state.clone() if isinstance(state, torch.Tensor) else state


def test_a_map_as_wide_as_high_as_deep_keeps_its_layout() -> None:
    """After a channels-last encoder a shape of (1, 8, 8, 8) alone would be taken for N H W C."""
    method = simkd(replace(make_context(), student=make_network("torchvision/swin_t", image_size=64)))
    point = method.context.student.points["projectors.0"]
    assert (point.layout, point) == ("nchw", TapPoint("projectors.0", 64, 2, 2))
