"""Joint adaptation and distillation: discrepancies against loops, both schedules, and who moves in which step."""

import math
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny import make_batch, make_context, make_trainer, make_training, same_weights, snapshot

from core.methods.contract import Stage, TrainingProgress
from core.methods.kd import kd_loss
from core.methods.kd_uda import KdUda, discriminator_loss, mmd_loss, ramp, reverse_gradient
from core.networks.teacher import load_teacher
from core.policy import Policy
from core.spec import TeacherSpec
from core.spec.knobs.kd_uda import KdUdaKnobs
from core.system.workspace import Workspace

ADAPTATIONS = ["mmd", "reversal"]


def features(seed: Any, rows: int = 4, width: int = 3) -> torch.Tensor:
    return torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def kd_uda(**knobs: Any) -> Any:
    method = KdUda(KdUda.resolved(KdUdaKnobs(**knobs)), make_context(image_size=8, classes=tuple("abcd")))
    method.set_training_mode()
    return method


def at_progress(method: Any, progress: Any, epoch: int = 1) -> Any:
    method.begin_step(TrainingProgress(Stage(), epoch, 10, progress))
    return method


def test_the_discrepancy_is_that_of_loops_over_pairs() -> None:
    source, target = features(0).tolist(), features(1, 5).tolist()
    everything = source + target
    squares = [math.dist(a, b) ** 2 for a in everything for b in everything]
    base = sum(squares) / (9 * 8) / 4

    def kernel(left: Any, right: Any) -> Any:
        values = [math.exp(-(math.dist(a, b) ** 2) / (base * 2**i)) for a in left for b in right for i in range(5)]
        return 5 * sum(values) / len(values)

    expected = kernel(source, source) + kernel(target, target) - 2 * kernel(source, target)
    assert mmd_loss(features(0), features(1, 5)).item() == pytest.approx(expected, rel=1e-9)


def test_equal_sets_have_no_discrepancy_and_distant_ones_have_more() -> None:
    source = features(2, 6)
    assert mmd_loss(source, source[torch.randperm(6)]).item() == pytest.approx(0, abs=1e-12)
    target = features(3, 6)
    assert mmd_loss(source[torch.randperm(6)], target).item() == pytest.approx(mmd_loss(source, target).item())
    values = [mmd_loss(source, source + shift).item() for shift in (0.1, 0.5, 2.0, 10.0)]
    assert values == sorted(values) and values[-1] < 10


def test_no_gradient_goes_through_the_bandwidth() -> None:
    """A finite difference with the bandwidth held fixed is the gradient; one that lets it move is another."""
    source, target = features(4).requires_grad_(), features(5)
    mmd_loss(source, target).backward()

    def value(step: Any, hold: Any) -> Any:
        moved = source.detach().clone().numpy()
        moved[0, 0] += step
        all_of = np.concatenate([moved, target.numpy()])
        held = np.concatenate([source.detach().numpy() if hold else moved, target.numpy()])
        squares = ((all_of[:, None] - all_of) ** 2).sum(axis=2)
        base = ((held[:, None] - held) ** 2).sum() / (8 * 7) / 4
        kernel = sum(np.exp(-squares / (base * 2**i)) for i in range(5))
        return kernel[:4, :4].mean() + kernel[4:, 4:].mean() - 2 * kernel[:4, 4:].mean()

    held, moving = ((value(1e-5, hold) - value(-1e-5, hold)) / 2e-5 for hold in (True, False))
    assert source.grad[0, 0].item() == pytest.approx(held, rel=1e-6)
    assert source.grad[0, 0].item() != pytest.approx(moving, rel=1e-3)


@pytest.mark.parametrize("rows", [1, 2])
def test_few_or_equal_images_are_finite(rows: int) -> None:
    source = torch.ones(rows, 3, requires_grad=True)
    loss = mmd_loss(source, torch.ones(rows, 3))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and torch.isfinite(source.grad).all()


def test_autocast_does_not_round_the_discrepancy() -> None:
    source, target = features(6, 8, 64).float(), features(7, 8, 64).float() + 0.1
    with torch.autocast("cpu", torch.bfloat16):
        loss = mmd_loss(source, target)
    assert loss.item() == pytest.approx(mmd_loss(source.double(), target.double()).item(), rel=1e-4)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_reversal_is_the_identity_forwards_and_turns_the_gradient_round(strength: float) -> None:
    values, upstream = features(8).requires_grad_(), features(9)
    output = reverse_gradient(values, strength)
    assert torch.equal(output, values)
    output.backward(upstream)
    torch.testing.assert_close(values.grad, -strength * upstream)


def test_the_discriminator_wants_one_for_source_and_zero_for_target() -> None:
    source, target = features(10, 4, 1)[:, 0], features(11, 6, 1)[:, 0]
    p_s, p_t = 1 / (1 + np.exp(-source.numpy())), 1 / (1 + np.exp(-target.numpy()))
    expected = -np.log(p_s).mean() - np.log(1 - p_t).mean()
    assert discriminator_loss(source, target).item() == pytest.approx(expected, rel=1e-9)


def test_the_share_of_distillation_grows_by_a_factor() -> None:
    method = kd_uda()
    shares = [
        at_progress(method, progress, epoch).distillation for epoch, progress in enumerate((0, 199 / 400, 399 / 400))
    ]
    assert shares == pytest.approx([0.1, 0.298, 0.895], abs=1e-3)
    factors = [at_progress(method, k / 7, 10 + k).distillation for k in range(8)]
    assert [b / a for a, b in pairwise(factors)] == pytest.approx([9 ** (1 / 7)] * 7)


def test_the_ramp_goes_from_zero_towards_one() -> None:
    assert ramp(0.0) == 0
    assert [ramp(p) for p in (0.1, 0.5, 1.0)] == pytest.approx([math.tanh(5 * p) for p in (0.1, 0.5, 1.0)])


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 0.0)])
def test_a_share_that_can_never_grow_is_refused(start: float, end: float) -> None:
    with pytest.raises(ValidationError, match="0 times a factor"):
        KdUdaKnobs(distillation_start=start, distillation_end=end)


@pytest.mark.parametrize("adaptation", ADAPTATIONS)
def test_each_step_moves_its_own_network_alone(adaptation: Any) -> None:
    method = at_progress(kd_uda(adaptation=adaptation), 0.5)
    teacher, student = method.context.teacher, method.context.student
    seen = []
    for update in method.updates(make_batch(method)):
        seen.append((update.group, set(update.terms)))
        for network in (teacher, student):
            network.zero_grad()
        sum(update.terms.values()).backward()
        moving, still = (teacher, student) if update.group == "teacher" else (student, teacher)
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in moving.parameters())
        assert all(p.grad is None for p in still.parameters())
    assert seen == [
        ("teacher", {"teacher_label", adaptation}),
        ("student", {"label", "kd_source", "kd_target"}),
    ]


def test_the_discriminator_learns_and_the_teacher_learns_against_it() -> None:
    method = at_progress(kd_uda(adaptation="reversal"), 0.5)
    grouped = {id(parameter) for parameter in method.parameter_groups()["teacher"]}
    assert all(id(parameter) in grouped for parameter in method.discriminator.parameters())
    batch = make_batch(method)
    first = method.context.teacher.module.conv1.weight

    def gradient(progress: Any) -> tuple[Any, ...]:
        term = next(at_progress(method, progress, epoch=round(100 * progress)).updates(batch)).terms["reversal"]
        share = 1 - method.distillation
        return torch.autograd.grad(term, [first, method.discriminator[0].weight]), share

    (against, own), share = gradient(0.5)
    (weaker, own_then), share_then = gradient(0.1)
    torch.testing.assert_close(own / share, own_then / share_then)
    torch.testing.assert_close(against / share / ramp(0.5), weaker / share_then / ramp(0.1))
    assert own.abs().max() > 0 and against.abs().max() > 0


def test_the_teachers_steps_bring_the_domains_together() -> None:
    method = at_progress(kd_uda(), 0.5)
    batch = make_batch(method, 12)
    batch = replace(batch, target_views=1 - batch.views.square())
    optimizer = torch.optim.SGD(method.parameter_groups()["teacher"], lr=0.05)
    seen = []
    for _ in range(5):
        optimizer.zero_grad()
        term = next(method.updates(batch)).terms["mmd"]
        term.backward()
        optimizer.step()
        seen.append(term.item())
    assert seen == sorted(seen, reverse=True) and seen[-1] < 0.75 * seen[0]


def test_without_distillation_the_student_stays_and_with_nothing_else_the_teacher_stays() -> None:
    for share, group, still in ((0.0, "teacher", "student"), (1.0, "student", "teacher")):
        method = kd_uda(distillation_start=share, distillation_end=share)
        before = snapshot(getattr(method.context, still))
        assert [update.group for update in method.updates(make_batch(method))] == [group]
        make_trainer(method, make_training(max_steps=3)).run()
        assert same_weights(before, snapshot(getattr(method.context, still)))


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
def test_the_terms_are_the_weighted_formulas(divergence: str) -> None:
    method = at_progress(kd_uda(divergence=divergence, temperature=5.0), 0.5)
    share, batch = method.distillation, make_batch(method)
    teacher_update, student_update = method.updates(batch)
    with torch.no_grad():
        teacher, student = method.context.teacher, method.context.student
        source, target = teacher.features(batch.views, ()), teacher.features(batch.target_views, ())
        cross_entropy = torch.nn.functional.cross_entropy
        expected = {
            "teacher_label": (1 - share) * cross_entropy(source.logits, batch.targets),
            "mmd": (1 - share) * ramp(0.5) * mmd_loss(source.pooled, target.pooled),
            "label": share * 0.7 * cross_entropy(student(batch.views), batch.targets),
        }
    terms = {**teacher_update.terms, "label": student_update.terms["label"]}
    assert set(teacher_update.terms) == {"teacher_label", "mmd"}
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-4)

    method = at_progress(kd_uda(divergence=divergence, temperature=5.0), 0.5)
    with torch.no_grad():
        taught = [method.context.teacher.eval()(views) for views in (batch.views, batch.target_views)]
        own = [method.context.student(views) for views in (batch.views, batch.target_views)]
    order = slice(None) if divergence == "forward" else slice(None, None, -1)
    source, target = (kd_loss(*pair[order], temperature=5.0) for pair in zip(own, taught, strict=True))
    terms = method._distillation(batch, share).terms
    assert terms["kd_source"].item() == pytest.approx(share * 0.3 * source.item(), rel=1e-4)
    assert terms["kd_target"].item() == pytest.approx(share * target.item(), rel=1e-4)


def test_adaptation_and_target_logits_live_on_after_the_first_epoch() -> None:
    told = defaultdict(dict)
    method = kd_uda()
    make_trainer(method, make_training(epochs=3), report_metrics=lambda step, values: told[step].update(values)).run()
    for step in range(2, 16):
        assert told[step]["train/loss_mmd"] > 0 and told[step]["train/loss_kd_target"] > 0
    assert told[1]["train/loss_mmd"] == 0, "the ramp begins at zero and moves with every step"


def test_the_adapted_teacher_is_a_product_that_later_jobs_can_name(tmp_path: Path) -> None:
    method = kd_uda()
    before = snapshot(method.context.teacher.module)
    make_trainer(method, make_training(max_steps=3)).run()
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(method.products().teacher)
    spec = TeacherSpec(weights=f"file:{path}")
    adapted = load_teacher(spec, Workspace(tmp_path, tmp_path / "cache", None, Policy()))
    assert adapted.classes == ("a", "b", "c", "d")
    assert same_weights(snapshot(adapted.network.module), snapshot(method.context.teacher.module))
    assert not same_weights(snapshot(adapted.network.module), before)


def test_the_teacher_keeps_the_customers_classes_in_their_order() -> None:
    context = make_context(image_size=8)
    views = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = context.teacher(views)[:, context.class_indices]
    KdUda(KdUda.resolved(KdUdaKnobs()), context)
    torch.testing.assert_close(context.teacher(views), expected)


@pytest.mark.parametrize("adaptation", ADAPTATIONS)
def test_a_cut_training_goes_on_as_if_it_had_not_been(adaptation: Any) -> None:
    def stop(trainer: Any) -> None:
        if trainer.step == 7:  # within an epoch of five steps
            raise InterruptedError

    whole, cut, resumed = (kd_uda(adaptation=adaptation) for _ in range(3))
    make_trainer(whole, make_training()).run()
    first = make_trainer(cut, make_training(), after_step=stop)
    with pytest.raises(InterruptedError):
        first.run()
    second = make_trainer(resumed, make_training())
    second.load_state_dict(first.state_dict())
    second.run()
    for network in ("student", "teacher"):
        assert same_weights(*(snapshot(getattr(method.context, network)) for method in (whole, resumed)))


def test_mixed_labels_reach_both_networks() -> None:
    method = at_progress(kd_uda(), 0.5)
    batch = make_batch(method)
    rows = torch.nn.functional.one_hot(batch.targets, 4).float()
    hard, mixed = (
        [update.terms for update in method.updates(replace(batch, targets=t))] for t in (rows, rows.roll(1, 1))
    )
    for place, name in ((0, "teacher_label"), (1, "label")):
        assert hard[place][name].item() != pytest.approx(mixed[place][name].item(), rel=1e-3)


def test_the_teacher_learns_at_a_rate_of_its_own() -> None:
    trainer = make_trainer(
        kd_uda(teacher_rate=0.25), make_training(max_steps=1, learning_rate=0.2, schedule="constant")
    )
    trainer.run()
    rates = {group: optimizer.param_groups[0]["lr"] for group, optimizer in trainer._optimizers.items()}
    assert rates == pytest.approx({"student": 0.2, "teacher": 0.05})
