"""A teacher that trains along: both closed forms, who moves when, batch norm, and the moved teacher as a file."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context, make_trainer, make_training, same_weights, snapshot

from core.errors import LabelSpaceMismatch
from core.methods.contract import Batch
from core.methods.kd import kd_loss
from core.methods.prokt import Prokt
from core.methods.scratch import Scratch
from core.networks.teacher import load_teacher
from core.policy import Policy
from core.spec import TeacherSpec
from core.spec.knobs.prokt import ProktKnobs
from core.spec.knobs.scratch import ScratchKnobs
from core.system.workspace import Workspace

CHOSEN = [5, 0, 3, 2]


def prokt(context: Any = None, **knobs: Any) -> Prokt:
    return Prokt(ProktKnobs(**knobs), context or make_context(image_size=8))


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def step(method: Any, update: Any, *, rate: float = 0.5) -> None:
    """One step of plain SGD; the gradients stay to be looked at."""
    for parameter in (*method.context.student.parameters(), *method.context.teacher.parameters()):
        parameter.grad = None
    torch.stack(list(update.terms.values())).sum().backward()
    with torch.no_grad():
        for parameter in method.parameter_groups()[update.group]:
            parameter -= rate * parameter.grad


def run(method: Any, *, count: int = 3, roll: int = 0) -> Any:
    """Some batches, each with both steps; `roll` gives every image another label."""
    method.set_training_mode()
    for seed in range(count):
        batch = make_batch(method, seed=seed)
        for update in method.updates(replace(batch, targets=(batch.targets + roll) % 4)):
            step(method, update)
    return method


@pytest.mark.parametrize(("share", "temperature"), [(0.0, 1.0), (0.4, 1.0), (1.0, 1.0), (0.3, 4.0)])
def test_the_teachers_gradient_is_the_closed_form(share: float, temperature: float) -> None:
    method = prokt(proximity=share, temperature=temperature)
    draws = torch.Generator().manual_seed(1)
    student, teacher = (3 * torch.randn(5, 4, dtype=torch.float64, generator=draws) for _ in range(2))
    teacher.requires_grad_()
    labels = torch.tensor([0, 3, 1, 1, 2])
    total(method, teacher, student, labels).backward()
    onehot, t = np.eye(4)[labels], temperature
    p_t, soft_t, soft_s = (softmax(z.detach().numpy() / s) for z, s in ((teacher, 1), (teacher, t), (student, t)))
    expected = (1 - share) * (p_t - onehot) / 5 + share * t * (soft_t - soft_s) / 5
    np.testing.assert_allclose(teacher.grad.numpy(), expected, atol=1e-6, rtol=0)


def total(method: Any, teacher: Any, student: Any, labels: Any) -> Any:
    """L_T of logits that no network gave."""
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5))
    divergence = kd_loss(teacher, student, temperature=method.knobs.temperature)
    return sum(method.teacher_terms(teacher, divergence, batch).values())


def test_the_teachers_loss_is_least_at_the_mixture_of_label_and_student() -> None:
    method = prokt(proximity=0.4)
    student = 2 * torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 3, 1, 1, 2])
    mixture = 0.6 * np.eye(4)[labels] + 0.4 * softmax(student.numpy())
    best = torch.tensor(np.log(mixture), requires_grad=True)
    least = total(method, best, student, labels)
    least.backward()
    assert best.grad.abs().max() < 1e-7
    for seed in range(5):
        other = best.detach() + 0.3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        assert total(method, other, student, labels) > least + 1e-4


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_both_losses_are_those_of_numpy_in_their_directions(temperature: float) -> None:
    method = prokt(proximity=0.3, initial_classifiers="given", temperature=temperature)
    method.set_training_mode()
    batch = make_batch(method)
    student, teacher = method.context.student, method.context.teacher
    with torch.no_grad():
        z_t = teacher(batch.views).numpy()
        z_s = student.eval()(batch.views).numpy()
    student.train()
    updates = method.updates(batch)
    first = next(updates)
    p_s, p_t, t = softmax(z_s / temperature), softmax(z_t / temperature), temperature
    assert first.group == "teacher" and first.logits is None
    assert first.terms["proximity"].item() == pytest.approx(
        0.3 * t**2 * (p_s * np.log(p_s / p_t)).sum(1).mean(), rel=1e-4
    )
    label = -np.log(softmax(z_t))[range(6), batch.targets].mean()
    assert first.terms["label"].item() == pytest.approx(0.7 * label, rel=1e-4)
    with torch.no_grad():
        z_s, z_t = student(batch.views).numpy(), teacher.eval()(batch.views).numpy()
    teacher.train()
    second = next(updates)
    p_s, p_t = softmax(z_s / t), softmax(z_t / t)
    follow = t**2 * (p_t * np.log(p_t / p_s)).sum(1).mean()
    assert second.terms["follow"].item() == pytest.approx(follow, rel=1e-4)
    assert abs(follow - t**2 * (p_s * np.log(p_s / p_t)).sum(1).mean()) > 1e-4, (
        "the case must tell the directions apart"
    )
    assert second.terms.keys() == {"follow"}, "the student sees no label"
    assert next(updates, None) is None


def test_neither_loss_has_a_gradient_into_the_other() -> None:
    method = prokt(initial_classifiers="given")
    method.set_training_mode()
    groups = method.parameter_groups()
    for update in method.updates(make_batch(method)):
        step(method, update)
        moving = {name for name, group in groups.items() if any(p.grad is not None for p in group)}
        assert moving == {update.group}


def test_the_student_follows_the_teacher_as_it_is_after_its_step() -> None:
    method = prokt(initial_classifiers="given")
    method.set_training_mode()
    batch = make_batch(method)

    def divergence() -> Any:
        """KL(teacher || student) as things stand; moves no running statistics."""
        with torch.no_grad():
            z_t = method.context.teacher.eval()(batch.views).numpy()
            norms = snapshot(method.context.student)
            z_s = method.context.student(batch.views).numpy()
            method.context.student.load_state_dict(norms)
        method.context.teacher.train()
        p_t, p_s = softmax(z_t), softmax(z_s)
        return (p_t * np.log(p_t / p_s)).sum(1).mean()

    updates = method.updates(batch)
    step(method, next(updates))
    moved = divergence()
    assert next(updates).terms["follow"].item() == pytest.approx(moved, rel=1e-4)
    stale = prokt(initial_classifiers="given")
    stale.set_training_mode()
    later = stale.updates(batch)
    next(later)
    assert abs(next(later).terms["follow"].item() - moved) > 1e-3, "without its step the teacher says something else"


def test_with_full_proximity_labels_do_not_reach_the_teacher() -> None:
    one, other = (run(prokt(proximity=1.0, initial_classifiers="given"), roll=roll) for roll in (0, 1))
    assert same_weights(snapshot(one.context.teacher), snapshot(other.context.teacher))
    one, other = (run(prokt(proximity=0.9, initial_classifiers="given"), roll=roll) for roll in (0, 1))
    assert not same_weights(snapshot(one.context.teacher), snapshot(other.context.teacher))


def test_without_proximity_the_teacher_trains_as_if_alone() -> None:
    method = prokt(proximity=0.0, teacher_rate=1.0, initial_classifiers="given")
    alone = Scratch(ScratchKnobs(), make_context(image_size=8))
    teacher = prokt(initial_classifiers="given").context.teacher
    alone = Scratch(ScratchKnobs(), replace(alone.context, student=teacher))
    for each in (method, alone):
        make_trainer(each, make_training(max_steps=4)).run()
    assert same_weights(snapshot(method.context.teacher), snapshot(alone.context.student))


def test_zero_classifiers_begin_uniform_and_the_student_moves_after_the_teacher_did() -> None:
    method = prokt()
    method.set_training_mode()
    before = snapshot(method.context.student)
    updates = method.updates(make_batch(method))
    first = next(updates)
    assert first.terms["label"].item() == pytest.approx(0.6 * math.log(4), rel=1e-6)
    assert first.terms["proximity"].item() == 0
    step(method, first)
    second = next(updates)
    assert second.terms["follow"].item() > 0
    step(method, second)
    path = f"module.{method.context.student.classifier_path}.weight"
    assert not torch.equal(before[path], method.context.student.state_dict()[path])


def test_a_teacher_that_knows_none_of_the_classes_can_begin_with_zeros() -> None:
    method = prokt(make_context(image_size=8, class_indices=None))
    assert method.context.teacher.num_classes == 4
    with pytest.raises(LabelSpaceMismatch, match="do not include all"):
        prokt(make_context(image_size=8, class_indices=None), initial_classifiers="given")


def test_a_given_classifier_is_the_teachers_own_for_the_chosen_classes() -> None:
    context = make_context(image_size=8)
    views = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = context.teacher(views)[:, CHOSEN]
        torch.testing.assert_close(prokt(context, initial_classifiers="given").context.teacher(views), expected)


def test_a_random_teacher_knows_nothing_and_is_the_same_in_every_build() -> None:
    given, first, again = (
        snapshot(prokt(initial_teacher=start).context.teacher) for start in ("given", "random", "random")
    )
    assert same_weights(first, again) and not same_weights(first, given)
    assert first.keys() == given.keys()


@pytest.mark.parametrize("targets", ["eval", "batch"])
def test_targets_learn_no_statistics_and_leave_the_modes(targets: str) -> None:
    method = run(prokt(targets=targets, initial_classifiers="given"), count=1)
    teacher = method.context.teacher
    teacher.module.bn1.eval()
    modes, before = [module.training for module in teacher.modules()], snapshot(teacher)
    views = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    seen = method._seen(teacher, views)
    assert same_weights(before, snapshot(teacher)) and not seen.requires_grad
    assert [module.training for module in teacher.modules()] == modes
    assert all(norm.track_running_stats for norm in teacher.modules() if isinstance(norm, torch.nn.BatchNorm2d))
    with torch.no_grad():
        in_eval, in_train = teacher.eval()(views), teacher.train()(views)
    expected, other = (in_eval, in_train) if targets == "eval" else (in_train, in_eval)
    torch.testing.assert_close(seen, expected)
    assert (seen - other).abs().max() > 1e-3


def test_the_dual_form_weighs_the_divergence_by_a_multiplier_that_follows_it() -> None:
    method = prokt(form="dual", slack=0.05, beta=0.7, beta_rate=0.5, initial_classifiers="given")
    method.set_training_mode()
    twin = prokt(proximity=0.5, initial_classifiers="given")
    twin.set_training_mode()
    batch = make_batch(method)
    plain = next(twin.updates(batch)).terms
    label, divergence = 2 * plain["label"].item(), 2 * plain["proximity"].item()
    updates = method.updates(batch)
    first = next(updates)
    assert first.terms["label"].item() == pytest.approx(label, rel=1e-5)
    assert first.terms["proximity"].item() == pytest.approx(0.7 * (divergence - 0.05), rel=1e-4)
    assert method.beta.item() == pytest.approx(0.7), "it moves after the step"
    next(updates)
    assert method.beta.item() == pytest.approx(0.7 + 0.5 * (divergence - 0.05), rel=1e-4)
    assert "beta" in method.state_dict()


def test_the_multiplier_never_falls_below_zero() -> None:
    method = run(prokt(form="dual", slack=100.0, beta=0.1, beta_rate=1.0), count=2)
    assert method.beta.item() == 0


def test_the_teacher_learns_at_its_own_rate() -> None:
    method = prokt(teacher_rate=0.25)
    trainer = make_trainer(method, make_training(max_steps=1, learning_rate=0.2, schedule="constant"))
    trainer.run()
    rates = {group: optimizer.param_groups[0]["lr"] for group, optimizer in trainer._optimizers.items()}
    assert rates == pytest.approx({"student": 0.2, "teacher": 0.05})


def test_the_moved_teacher_is_a_file_that_a_later_job_can_be_taught_by(tmp_path: Path) -> None:
    method = prokt(make_context(image_size=8, classes=("a", "b", "c", "d")))
    make_trainer(method, make_training(max_steps=3)).run()
    (tmp_path / "teacher.safetensors").write_bytes(method.products().teacher)
    spec = TeacherSpec(weights=(tmp_path / "teacher.safetensors").as_uri())
    loaded = load_teacher(spec, Workspace(tmp_path, tmp_path / "cache", None, Policy()))
    assert loaded.classes == ("a", "b", "c", "d") and loaded.network.architecture == "cifar/resnet14"
    views = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(views), method.context.teacher.eval()(views))
    assert not same_weights(snapshot(loaded.network), snapshot(prokt().context.teacher)), "it has moved"
    assert method.deployed() is method.context.student


@pytest.mark.parametrize("form", ["mixed", "dual"])
def test_a_resumed_training_is_the_same_bit_for_bit(form: str, tmp_path: Path) -> None:
    whole = make_trainer(prokt(form=form), make_training(max_steps=6))

    def save(trainer: Any) -> None:
        if trainer.step == 3:
            torch.save(trainer.state_dict(), tmp_path / "state.pt")

    whole.after_step = save
    whole.run()
    resumed = make_trainer(prokt(form=form), make_training(max_steps=6))
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    resumed.run()
    for network in ("student", "teacher"):
        assert same_weights(
            snapshot(getattr(whole.method.context, network)), snapshot(getattr(resumed.method.context, network))
        )
    assert same_weights(snapshot(whole.method), snapshot(resumed.method))
    assert whole.method.products() == resumed.method.products()
