"""Which checkpoint teaches when, and that one anchor is no different from the plain method."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny import (
    make_context,
    make_network,
    make_split,
    make_trainer,
    make_training,
    same_weights,
    snapshot,
)

from core.errors import SpecInvalid
from core.methods.contract import Stage, TrainingProgress
from core.methods.kd import Kd
from core.methods.rco import Rco, equal_interval, greedy_step, part_of
from core.methods.skd import Skd
from core.spec.knobs.kd import KdKnobs
from core.spec.knobs.rco import RcoKnobs
from core.spec.knobs.skd import SkdKnobs


def rco(context: Any = None, **knobs: Any) -> Rco:
    return Rco(Rco.resolved(RcoKnobs(**knobs)), context or make_context(image_size=8))


@pytest.mark.parametrize(("kept", "anchors"), [(1, 1), (4, 4), (10, 4), (9, 2), (7, 5), (240, 30)])
def test_equal_intervals_rise_evenly_to_the_finished_teacher(kept: int, anchors: int) -> None:
    places = equal_interval(kept, anchors)
    gaps = np.diff([-1, *places])
    assert len(places) == anchors and places[-1] == kept - 1
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("hardness", "steps"),
    [
        ([1.0, 1.1, 1.15, 1.3], 2),
        ([1.0, 1.5, 1.2, 3.0], 2),  # the furthest, whatever lies between
        ([1.0, 1.3, 1.4], 1),  # none is bearable: the next
        ([1.0, 0.2, 0.3], 2),
        ([0.0, 0.0, 0.0], 2),
        ([1.0], 1),
    ],
)
def test_greedy_goes_to_the_furthest_bearable_checkpoint(hardness: list[float], steps: int) -> None:
    assert greedy_step(hardness, max_hardness=1.2) == steps


@pytest.mark.parametrize(("epochs", "parts"), [(8, 4), (10, 4), (7, 3), (240, 4), (3, 5), (2, 4), (5, 1)])
def test_epochs_are_shared_evenly_and_end_with_the_finished_teacher(epochs: int, parts: int) -> None:
    taught = [part_of(epoch, epoch / epochs, parts) for epoch in range(epochs)]
    assert taught == sorted(taught) and taught[0] == 0 and taught[-1] == parts - 1
    if epochs >= parts:
        counts = np.bincount(taught, minlength=parts)
        assert counts.max() - counts.min() <= 1


def test_the_last_epoch_may_be_cut_short() -> None:
    """Seven epochs of five steps and one of two, as max_steps would have it."""
    taught = [part_of(epoch, epoch * 5 / 37, 4) for epoch in range(8)]
    assert taught == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("budget", ["one_stage", "multi_stage"])
@pytest.mark.parametrize(
    ("form", "plain"),
    [
        ("logits", lambda context: Kd(Kd.resolved(KdKnobs()), context)),
        ("features", lambda context: Skd(Skd.resolved(SkdKnobs()), context)),
    ],
)
def test_one_anchor_is_the_plain_method_bit_for_bit(form: str, plain: Callable[..., Any], budget: str) -> None:
    weights = []
    for method in (rco(form=form, num_anchors=1, budget=budget), plain(make_context(image_size=8))):
        trainer = make_trainer(method, make_training(max_steps=7))
        trainer.run()
        weights.append(snapshot(method.deployed()))
        assert trainer.step == 7
    assert same_weights(*weights)


def teachers_seen(method: Any, training: Any) -> tuple[Any, ...]:
    """What the loop's teacher says of three images, once an epoch; and the rates."""
    probe = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    said, rates = [], []

    def look(trainer: Any) -> None:
        rates.append(trainer.plan.rate_factor(trainer.step - 1))
        if trainer.step % trainer.plan.steps_per_epoch == 0:
            said.append(trainer.teachers.first.observe(probe).logits)

    make_trainer(method, training, after_step=look).run()
    expected = []
    for weights in method.context.anchors:
        network = make_network("cifar/resnet14", 6, image_size=8).eval()
        network.module.load_state_dict(weights())
        with torch.no_grad():
            expected.append(network(probe))
    found = [[torch.allclose(one, other, atol=1e-4) for other in expected] for one in said]
    assert all(sum(each) == 1 for each in found), "the anchors must differ"
    return [each.index(True) for each in found], rates


def test_anchors_teach_in_turn_within_one_schedule() -> None:
    seen, rates = teachers_seen(rco(num_anchors=2), make_training(epochs=4))
    assert seen == [1, 1, 3, 3]
    assert rates == sorted(rates, reverse=True)


def test_every_anchor_has_all_the_jobs_epochs_and_a_schedule_of_its_own() -> None:
    method = rco(num_anchors=2, budget="multi_stage")
    assert sum(stage.share for stage in method.stages()) == 2
    seen, rates = teachers_seen(method, make_training(epochs=2))
    assert seen == [1, 1, 3, 3]
    assert rates[:10] == rates[10:] == sorted(rates[:10], reverse=True) and rates[0] > rates[9]


def held_out() -> Any:
    split = make_split(8, seed=4)
    return split.images.float() / 255


def numpy_kd(teacher: Any, student: Any) -> Any:
    """T^2 KL over the customer's classes at temperature 4, times kd's weight."""
    p_t, p_s = (np.exp(each / 4) for each in (teacher[:, [5, 0, 3, 2]], student))
    p_t, p_s = p_t / p_t.sum(1, keepdims=True), p_s / p_s.sum(1, keepdims=True)
    return 0.9 * 16 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()


def test_hardness_is_the_loss_against_a_checkpoint_and_moves_nothing() -> None:
    context = make_context(image_size=8, held_out=held_out())
    method = rco(context, route="greedy")
    before = snapshot(context.student), snapshot(context.teacher)
    for place, weights in enumerate(context.anchors):
        teacher = make_network("cifar/resnet14", 6, image_size=8).eval()
        teacher.module.load_state_dict(weights())
        student = make_network("cifar/resnet8", image_size=8).eval()
        with torch.no_grad():
            expected = numpy_kd(teacher(context.held_out).numpy(), student(context.held_out).numpy())
        assert method.hardness(place) == pytest.approx(expected, rel=1e-4)
    assert same_weights(before[0], snapshot(context.student)) and same_weights(before[1], snapshot(context.teacher))


@pytest.mark.parametrize("form", ["logits", "features"])
@pytest.mark.parametrize(("max_hardness", "seen"), [(1e9, [0, 3, 3]), (1.0 + 1e-9, None)])
def test_greedy_begins_easy_ends_with_the_finished_teacher_and_never_turns_back(
    form: str, max_hardness: Any, seen: list[int] | None
) -> None:
    method = rco(
        make_context(image_size=8, held_out=held_out()),
        form=form,
        route="greedy",
        num_anchors=3,
        max_hardness=max_hardness,
    )
    found = []
    for epoch in range(3):
        method.begin_epoch(TrainingProgress(Stage(), epoch, epoch * 5, epoch / 3))
        found.append(int(method.checkpoint))
    assert found[0] == 0 and found[-1] == 3 and found == sorted(found) and (seen is None or found == seen)
    assert method.anchor() is None, "the finished teacher"


def test_a_run_that_is_cut_within_an_epoch_goes_on_with_the_same_anchor() -> None:
    """A mid-epoch resume asks begin_epoch again, at another fraction and with another student."""

    def build() -> Any:
        context = make_context(image_size=8, held_out=held_out())
        return make_trainer(rco(context, route="greedy", num_anchors=3), make_training(epochs=3))

    uncut = build()
    uncut.run()
    for cut_at in (8, 10):
        first = build()

        class Cut(Exception):
            pass

        def cut(trainer: Any, cut_at: Any = cut_at) -> None:
            if trainer.step == cut_at:
                raise Cut

        first.after_step = cut
        with pytest.raises(Cut):
            first.run()
        second = build()
        second.load_state_dict(first.state_dict())
        second.run()
        assert same_weights(snapshot(uncut.method.deployed()), snapshot(second.method.deployed()))
        assert same_weights(uncut.method.state_dict(), second.method.state_dict())


def test_weights_are_those_of_the_method_that_compares() -> None:
    assert rco().by.knobs == Kd.resolved(KdKnobs(temperature=4.0))
    assert rco(form="features", label_weight=0.5).by.knobs == Skd.resolved(SkdKnobs(label_weight=0.5))


@pytest.mark.parametrize("anchors", [(), (dict,)])
def test_a_teacher_that_kept_too_few_checkpoints_is_refused(anchors: tuple[Any, ...]) -> None:
    with pytest.raises(SpecInvalid, match=f"4 anchors are asked for, and the teacher kept {len(anchors)} checkpoints"):
        rco(make_context(image_size=8, anchors=anchors))
