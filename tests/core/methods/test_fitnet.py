"""Hints in one stage and in two: the regressor's shapes, what each stage moves, what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny import make_batch, make_context, make_trainer, make_training, snapshot

from core.errors import LabelSpaceMismatch
from core.methods.fitnet import Fitnet, regressor
from core.methods.kd import kd_loss
from core.methods.parts.feature_method import tap_pairs
from core.networks.taps import TapPoint
from core.spec import CombinedKnobs
from core.spec.knobs.fitnet import FitnetKnobs


def fitnet(context: Any = None, **knobs: Any) -> Fitnet:
    return Fitnet(FitnetKnobs(**knobs), context or make_context(image_size=8))


@pytest.mark.parametrize(("student", "teacher", "gives"), [(8, 8, 8), (8, 4, 4), (4, 8, 8), (8, 6, 8), (12, 4, 12)])
def test_the_regressor_brings_the_map_to_the_teachers_size_where_one_is_twice_the_other(
    student: int, teacher: int, gives: int
) -> None:
    points = TapPoint("s", 5, student, student), TapPoint("t", 7, teacher, teacher)
    module = regressor(*points, relu=False)
    assert module(torch.rand(2, 5, student, student)).shape == (2, 7, gives, gives)
    distance = fitnet().distance(module, torch.rand(2, 5, student, student), torch.rand(2, 7, teacher, teacher))
    assert torch.isfinite(distance)


def test_the_hint_is_the_middle_map_of_three() -> None:
    context = make_context(image_size=8)
    assert [teacher.path for _, teacher in tap_pairs("middle", context)] == ["layer2"]
    method = fitnet(context)
    assert method.needs.teacher_taps == ("layer2",) and not method.needs.teacher_logits


def test_the_regressor_ends_in_a_relu_only_where_the_teacher_has_no_negatives() -> None:
    behind, before = fitnet(), fitnet(taps=("layer2.0.bn1",))
    assert isinstance(behind.adapters[0][-1], torch.nn.ReLU)
    assert isinstance(before.adapters[0][-1], torch.nn.BatchNorm2d)


def test_the_term_is_the_mean_squared_difference() -> None:
    method = fitnet(weight=7.0)
    batch = make_batch(method)
    student = method.context.student.features(batch.views, method.needs.student_taps)
    regressed = method.adapters[0](student.maps[0]).detach().double().numpy()
    expected = 7 * ((regressed - batch.teacher.maps[0].double().numpy()) ** 2).mean()
    assert method.terms(student, batch)["fitnet"].item() == pytest.approx(expected, rel=1e-5)


def test_two_stages_are_the_hint_alone_and_then_labels_with_soft_labels() -> None:
    method = fitnet(stages=2, hint_share=0.25, label_weight=0.5, kd_weight=2.0, temperature=3.0)
    hint, distillation = method.stages()
    assert (hint.share, distillation.share) == (0.25, 0.75)
    assert hint.restarts_schedule and distillation.restarts_schedule
    batch = make_batch(method)
    student = method.context.student.features(batch.views, method.needs.student_taps)
    assert set(method.terms(student, batch)) == {"fitnet"}
    method.stage = distillation
    terms = method.terms(student, batch)
    taught = batch.teacher.logits[:, [5, 0, 3, 2]]
    assert terms["kd"].item() == pytest.approx(2 * kd_loss(student.logits, taught, temperature=3.0).item(), rel=1e-6)
    cross_entropy = torch.nn.functional.cross_entropy(student.logits, batch.targets).item()
    assert set(terms) == {"label", "kd"} and terms["label"].item() == pytest.approx(0.5 * cross_entropy)


def test_the_hint_moves_the_student_up_to_the_hinted_map_and_the_second_stage_all_of_it() -> None:
    method, weights = fitnet(stages=2, hint_share=0.5), []

    def keep(trainer: Any) -> None:
        if trainer.step in (5, 10):
            weights.append(dict(method.context.student.module.named_parameters()))
            weights[-1] = {name: value.detach().clone() for name, value in weights[-1].items()}

    weights.append({name: v.detach().clone() for name, v in method.context.student.module.named_parameters()})
    make_trainer(method, make_training(), after_step=keep).run()
    start, hinted, finished = weights
    front = ("conv1", "bn1", "layer1", "layer2")
    assert {name for name in start if not torch.equal(start[name], hinted[name])} == {
        name for name in start if name.startswith(front)
    }
    assert all(not torch.equal(hinted[name], finished[name]) for name in start)


def test_the_hint_is_neither_validated_nor_averaged_nor_ends_early() -> None:
    """Ten epochs of hint in which nothing could improve; the average begins with the second stage."""
    told, kept = [], {}
    training = make_training(
        epochs=12, ema_decay=0.99, early_stopping={"metric": "val/top1", "patience": 1}, learning_rate=1e-9
    )

    def after_step(trainer: Any) -> None:
        if trainer.step in (50, 51):
            average = {name: value.clone() for name, value in trainer.ema.average.items()}
            kept[trainer.step] = (snapshot(trainer.method.deployed()), average)

    make_trainer(
        fitnet(stages=2, hint_share=10 / 12),
        training,
        report_metrics=lambda step, values: told.append(step) if "val/top1" in values else None,
        after_step=after_step,
    ).run()
    assert told[0] == 55 and len(told) == 2
    weights, average = kept[51]
    for name, value in average.items():
        if value.is_floating_point():
            expected = 0.1 * kept[50][1][name] + 0.9 * weights[name]
            torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)


def test_the_second_stage_leaves_the_regressor_alone() -> None:
    method = fitnet(stages=2)
    method.stage = method.stages()[1]
    before = snapshot(method)
    groups = method.parameter_groups()["student"]
    optimizer = torch.optim.SGD(groups, lr=0.1, weight_decay=0.1)
    sum(next(method.updates(make_batch(method))).terms.values()).backward()
    optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in snapshot(method).items())


def test_a_second_stage_without_common_classes_is_refused_unless_it_has_no_soft_labels() -> None:
    context = replace(make_context(image_size=8), class_indices=None)
    with pytest.raises(LabelSpaceMismatch, match="second stage"):
        fitnet(context, stages=2)
    method = fitnet(context, stages=2, kd_weight=0.0)
    method.stage = method.stages()[1]
    assert set(next(method.updates(make_batch(method))).terms) == {"label"}
    fitnet(context)


def test_only_one_stage_can_be_a_term_of_a_sum() -> None:
    CombinedKnobs(terms=({"name": "kd"}, {"name": "fitnet"}))
    with pytest.raises(ValidationError, match=r"'fitnet' cannot be combined: it has two stages"):
        CombinedKnobs(terms=({"name": "kd"}, {"name": "fitnet", "stages": 2}))
