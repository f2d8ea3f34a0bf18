"""The reused classifier: exactness, what moves and what does not, several teachers, and training without any image."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import (
    make_batch,
    make_network,
    make_setting,
    make_trainer,
    make_training,
    same_weights,
    snapshot,
)
from torch import nn

from core.errors import UserError
from core.methods.parts.synthesis import (
    Generator,
    balance_loss,
    batch_norm_distances,
    look,
    one_hot_loss,
)
from core.methods.simkd import Simkd, feature_loss
from core.networks.projected import build_projector
from core.networks.taps import TapPoint
from core.spec.knobs.simkd import SimkdKnobs
from core.spec.projected import Projection

CHOSEN = torch.tensor([5, 0, 3, 2])


def settled(architecture, *, seed=1, image_size=32):
    """A frozen teacher of six classes whose batch-norm statistics are not the initial ones."""
    network = make_network(architecture, 6, seed=seed, image_size=image_size).train()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(3):
            network(torch.rand(8, 3, image_size, image_size))
        # torchvision's ViT begins with a classifier of zeros, from which nothing could be told.
        network.classifier.weight.normal_(std=0.1)
    return network.eval().requires_grad_(False)


def simkd(setting=None, **knobs):
    return Simkd(SimkdKnobs(**knobs), setting or make_setting(image_size=8))


def two_teachers(image_size=8):
    other = settled("cifar/wrn_10_1", seed=7, image_size=image_size)
    return make_setting(
        image_size=image_size,
        teacher="cifar/resnet8x4",
        more_teachers=(other,),
        more_class_indices=(torch.tensor([1, 2, 4, 5]),),
    )


class Given(nn.Module):
    """A projector that answers with a map given beforehand."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, encoded):
        return self.answer


TEACHERS = {
    "cifar/resnet14": (32, "map", ()),
    "cifar/wrn_10_1": (32, "map", ()),
    "torchvision/mobilenet_v3_small": (64, "map", ("linear1024", "hardswish")),
    "torchvision/convnext_tiny": (64, "map", ("layernorm6",)),
    "torchvision/densenet121": (64, "map", ()),
    "timm/test_vit": (64, "vector", ()),
    "timm/deit_tiny_distilled_patch16_224": (64, "vector", ()),
}


@pytest.mark.parametrize("architecture", TEACHERS)
def test_with_the_teachers_own_features_it_gives_the_teachers_own_logits(architecture):
    size, form, neck = TEACHERS[architecture]
    teacher = settled(architecture, image_size=size)
    method = simkd(replace(make_setting(), teacher=teacher))
    assert (method.forms, method.setting.student.module.projections[0].neck) == ([form], neck)
    views = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        seen = teacher.features(views)
        answer = seen.maps[0] if form == "map" else seen.pooled[..., None, None]
        method.setting.student.module.projectors[0] = Given(answer)
        logits = method.deployed().eval()(views)
    torch.testing.assert_close(logits, seen.logits[:, CHOSEN], atol=1e-6, rtol=1e-5)


def test_a_teacher_whose_classifier_is_not_linear_is_refused():
    with pytest.raises(UserError, match="squeezenet1_1: its logits are not linear"):
        simkd(replace(make_setting(), teacher=settled_squeezenet()))


def settled_squeezenet():
    return make_network("torchvision/squeezenet1_1", 6, image_size=64).eval().requires_grad_(False)


def maps(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_that_of_numpy():
    student, same, larger, vector = maps(0, 2, 3, 4, 4), maps(1, 2, 3, 4, 4), maps(2, 2, 3, 8, 8), maps(3, 2, 3)
    pooled = larger.numpy().reshape(2, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    expected = ((student.numpy() - same.numpy()) ** 2).sum() / (2 * 3 * 4 * 4)
    expected += ((student.numpy() - pooled) ** 2).mean()
    expected += ((student.numpy().mean(axis=(2, 3)) - vector.numpy()) ** 2).sum() / (2 * 3)
    actual = feature_loss([student] * 3, [same, larger, vector])
    assert actual.item() == pytest.approx(expected, abs=1e-12)


def test_gradcheck():
    targets = [maps(4, 2, 3, 4, 4), maps(5, 2, 3)]
    assert torch.autograd.gradcheck(lambda s: feature_loss([s, s], targets), maps(6, 2, 3, 2, 2).requires_grad_())


def test_half_precision_is_computed_in_float32():
    student, teacher = maps(7, 2, 3, 4, 4).bfloat16(), maps(8, 2, 3, 4, 4).bfloat16()
    loss = feature_loss([student], [teacher])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((student.double() - teacher.double()).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize(("factor", "expected"), [(2, 214_016), (4, 70_400), (8, 26_240)])
def test_a_projector_has_the_parameters_of_the_paper(factor, expected):
    projector = build_projector(256, Projection(256, factor))
    assert sum(parameter.numel() for parameter in projector.parameters()) == expected


def steps(method, *, changed_labels=False, changed_images=False, count=3):
    """The weights after some steps of plain SGD on random batches."""
    method.set_training_mode()
    groups = method.parameter_groups()
    for seed in range(count):
        batch = make_batch(method, seed=seed)
        if changed_labels:
            batch = replace(batch, targets=(batch.targets + 1) % 4)
        if changed_images:
            batch = replace(batch, views=1 - batch.views)
        torch.manual_seed(seed)
        for update in method.updates(batch):
            torch.stack(list(update.terms.values())).sum().backward()
            with torch.no_grad():
                for parameter in groups[update.group]:
                    parameter -= 0.05 * parameter.grad
            for parameter in (*method.parameters(), *method.setting.student.parameters()):
                parameter.grad = None
    return snapshot(method.deployed())


def test_the_labels_say_nothing_unless_asked():
    assert same_weights(steps(simkd()), steps(simkd(), changed_labels=True))
    assert not same_weights(steps(simkd(label_weight=1.0)), steps(simkd(label_weight=1.0), changed_labels=True))


def test_the_label_term_is_the_cross_entropy_behind_the_teachers_classifier():
    method = simkd(label_weight=0.3)
    method.set_training_mode()
    update = next(method.updates(make_batch(method)))
    probabilities = torch.softmax(update.logits.detach().double(), dim=1).numpy()
    expected = -0.3 * np.log(probabilities[range(6), make_batch(method).targets]).mean()
    assert update.terms["label"].item() == pytest.approx(expected, rel=1e-5)


def test_encoder_and_projector_learn_and_the_classifier_never_moves():
    setting = make_setting(image_size=8)
    teacher, plain = setting.teacher, make_network("cifar/resnet8")
    method = simkd(setting)
    module = method.setting.student.module
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


def test_the_students_larger_map_is_averaged_before_the_projector():
    method = simkd(make_setting(teacher="cifar/vgg8"))
    assert method.deployed().architecture == "cifar/resnet8+simkd-512x2.at4"
    views = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert method.setting.student.features(views, ("projectors.0",)).maps[0].shape == (2, 512, 4, 4)


def test_the_teachers_larger_map_is_averaged_in_the_loss():
    method = simkd(make_setting(student=make_network("cifar/vgg8"), teacher="cifar/resnet14"))
    assert method.deployed().architecture == "cifar/vgg8+simkd-64x2"
    method.set_training_mode()
    batch = make_batch(method, size=32)
    with torch.no_grad():
        projected = method.setting.student.features(batch.views, ("projectors.0",)).maps[0].numpy()
        target = batch.teacher.maps[0].numpy().reshape(6, 64, 4, 2, 4, 2).mean(axis=(3, 5))
    loss = next(method.updates(batch)).terms["feature"].item()
    assert loss == pytest.approx(((projected - target) ** 2).mean(), rel=1e-4)


def test_several_teachers_have_their_losses_added_and_their_outputs_averaged():
    setting = two_teachers()
    method = simkd(setting, weight=2.0)
    assert method.deployed().architecture == "cifar/resnet8+simkd-256x2+64x2"
    method.set_training_mode()
    batch = make_batch(method)
    with torch.no_grad():
        student = method.setting.student.features(batch.views, method.needs.student_taps)
        targets = [batch.teacher.maps[0], batch.other_teachers[0].maps[0]]
        assert [target.shape[1] for target in targets] == [256, 64]
        distances = [((s - t) ** 2).mean().item() for s, t in zip(student.maps, targets, strict=True)]
        each = [
            teacher.classifier(projected.mean(dim=(2, 3)))[:, indices]
            for teacher, projected, indices in zip(
                (setting.teacher, *setting.more_teachers),
                student.maps,
                (CHOSEN, *setting.more_class_indices),
                strict=True,
            )
        ]
    assert next(method.updates(batch)).terms["feature"].item() == pytest.approx(2 * sum(distances), rel=1e-4)
    torch.testing.assert_close(student.logits, (each[0] + each[1]) / 2, atol=1e-5, rtol=1e-4)


def test_two_teachers_that_are_alike_answer_as_one():
    setting = make_setting(image_size=8)
    twice = replace(setting, more_teachers=(setting.teacher,), more_class_indices=(CHOSEN,))
    method = simkd(twice)
    batch = make_batch(method)
    for place in range(2):
        method.setting.student.module.projectors[place] = Given(batch.teacher.maps[0])
    with torch.no_grad():
        logits = method.deployed().eval()(batch.views)
    torch.testing.assert_close(logits, batch.teacher.logits[:, CHOSEN], atol=1e-6, rtol=1e-5)


def test_features_below_zero_can_be_fitted():
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
        in simkd(replace(make_setting(), teacher=settled("timm/test_vit", image_size=64))).deployed().architecture
    )
    assert "signed" not in simkd().deployed().architecture


def test_a_vision_transformer_can_be_the_student():
    student = make_network("timm/test_vit", image_size=64)
    method = simkd(make_setting(student=student, teacher="cifar/resnet8x4", image_size=64))
    make_trainer(method, make_training(max_steps=2, image_size=64)).run()
    assert method.deployed().architecture.startswith("timm/test_vit+simkd-256x2")


def test_projectors_change_no_other_random_draw():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = simkd(data_free=True)
    assert torch.equal(torch.rand(4), expected)
    again = simkd(data_free=True)
    assert same_weights(first.state_dict(), again.state_dict())
    assert same_weights(snapshot(first.deployed()), snapshot(again.deployed()))


# Data-free


def test_no_image_of_the_customer_is_looked_at():
    assert same_weights(
        steps(simkd(data_free=True)), steps(simkd(data_free=True), changed_images=True, changed_labels=True)
    )
    assert not same_weights(steps(simkd()), steps(simkd(), changed_images=True))
    assert not simkd(data_free=True).needs.teacher_output, "the loop is to run no teacher on the customer's images"


@pytest.mark.parametrize("several", [False, True])
def test_each_data_free_step_moves_its_own_part(several):
    method = simkd(two_teachers() if several else None, data_free=True)
    method.set_training_mode()
    teachers = [snapshot(teacher) for teacher in method.teachers]
    groups = method.parameter_groups()
    seen = {}
    torch.manual_seed(0)
    for update in method.updates(make_batch(method)):
        torch.stack(list(update.terms.values())).sum().backward()
        seen[update.group] = {name for name, group in groups.items() if any(p.grad is not None for p in group)}
        if update.group == "generator":
            assert all(p.grad is not None and p.grad.abs().max() > 0 for p in groups["generator"])
            method.zero_grad(set_to_none=True)
            assert all(parameter.requires_grad for parameter in groups["student"])
            assert update.terms.keys() == {"one_hot", "balance", "activation", "statistics", "adversarial"}
    assert seen == {"generator": {"generator"}, "student": {"student"}}
    assert all(
        same_weights(before, snapshot(teacher)) for before, teacher in zip(teachers, method.teachers, strict=True)
    )


def test_adversary_and_student_pull_the_same_distance_apart():
    method = simkd(data_free=True, weight=0.5, adversarial_weight=3.0)
    method.set_training_mode()
    generator, student = list(method.updates(make_batch(method)))
    assert generator.terms["adversarial"].item() / -3.0 == pytest.approx(
        student.terms["feature"].item() / 0.5, rel=1e-5
    )
    assert student.logits is None, "the labels belong to other images"


def test_the_synthesis_terms_are_those_of_numpy():
    logits = 3 * maps(11, 5, 4)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    assert one_hot_loss(logits).item() == pytest.approx(-np.log(p.max(axis=1)).mean(), abs=1e-9)
    q = p.mean(axis=0)
    assert balance_loss(logits).item() == pytest.approx((q * np.log(q)).sum(), abs=1e-9)
    assert balance_loss(torch.eye(4) * 1000).item() == pytest.approx(-np.log(4), abs=1e-6)
    assert balance_loss(torch.eye(4)[:1].repeat(3, 1) * 1000).item() == pytest.approx(0, abs=1e-6)


def test_batch_norm_distances_are_from_the_running_statistics():
    norm = nn.BatchNorm2d(3).eval()
    norm.running_mean.copy_(torch.tensor([1.0, 0.0, -2.0]))
    norm.running_var.copy_(torch.tensor([0.5, 2.0, 1.0]))
    entering = maps(12, 4, 3, 5, 5).float()
    with batch_norm_distances(nn.Sequential(norm)) as distances:
        norm(entering)
    norm(entering)
    flat = entering.numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    expected = np.linalg.norm(flat.mean(axis=1) - [1, 0, -2]) + np.linalg.norm(flat.var(axis=1) - [0.5, 2, 1])
    assert [distance.item() for distance in distances] == [pytest.approx(expected, rel=1e-5)]


def test_the_teachers_terms_are_weighed():
    teacher = settled("cifar/resnet8", image_size=8)
    views = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    seen, terms = look(teacher, CHOSEN, views, (-1,), 2.0)
    with batch_norm_distances(teacher) as distances:
        teacher(views)
    logits = seen.logits[:, CHOSEN]
    expected = {
        "one_hot": one_hot_loss(logits),
        "balance": 5 * balance_loss(logits),
        "activation": -0.1 * seen.maps[0].abs().mean(),
        "statistics": 2 * sum(distances) / len(distances),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {name: term.item() for name, term in expected.items()}, rel=1e-5
    )


@pytest.mark.parametrize("size", [8, 32, 50])
def test_the_generator_draws_images(size):
    torch.manual_seed(0)
    images = Generator(size)(3)
    assert images.shape == (3, 3, size, size)
    assert 0 <= images.min() < 0.3 < 0.7 < images.max() <= 1


def test_the_generator_learns_to_look_real_to_the_teacher():
    teacher = settled("cifar/resnet8", image_size=8)
    torch.manual_seed(0)
    generator = Generator(8)
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        _, terms = look(teacher, CHOSEN, generator(32), (-1,), 1.0)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3


def test_data_free_with_labels_is_refused():
    with pytest.raises(ValueError, match="label_weight must be 0"):
        SimkdKnobs(data_free=True, label_weight=1.0)


# Cut and resumed


@pytest.mark.parametrize("kind", ["one", "several", "data_free"])
def test_a_resumed_training_is_the_same_bit_for_bit(kind):
    def build():
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


def copied(state):
    """As a file would hold it: later steps must not reach it."""
    if isinstance(state, dict):
        return {key: copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(copied(value) for value in state)
    return state.clone() if isinstance(state, torch.Tensor) else state


def test_a_map_as_wide_as_high_as_deep_keeps_its_layout():
    """After a channels-last encoder a shape of (1, 8, 8, 8) alone would be taken for N H W C."""
    method = simkd(replace(make_setting(), student=make_network("torchvision/swin_t", image_size=64)))
    point = method.setting.student.points["projectors.0"]
    assert (point.layout, point) == ("nchw", TapPoint("projectors.0", 64, 2, 2))
