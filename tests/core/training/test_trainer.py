"""The loop: exact resume, divergence, early stopping, and methods of every shape without a change to it."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny import (
    NUM_CLASSES,
    make_context,
    make_network,
    make_trainer,
    make_training,
    same_weights,
    snapshot,
)
from torch.nn import functional

from core.errors import LossDiverged
from core.methods.contract import Needs, Stage, Update
from core.methods.kd import kd_loss
from core.methods.method import Method
from core.methods.scratch import Scratch
from core.methods.skd import Skd
from core.networks.head import slice_head
from core.networks.network import Network
from core.spec.knobs.prokt import ProktKnobs
from core.spec.knobs.scratch import ScratchKnobs
from core.spec.knobs.simkd import SimkdKnobs
from core.spec.knobs.skd import SkdKnobs

EVERYTHING = {
    "epochs": 2,
    "ema_decay": 0.9,
    "early_stopping": {"metric": "val/loss", "patience": 5},
    "mixup_alpha": 0.4,
    "cutmix_alpha": 1.0,
    "augmentation": "strong",
    "clip_gradient_norm": 0.5,
    "schedule": "onecycle",
    "optimizer": "adamw",
    "learning_rate": 0.005,
    "label_smoothing": 0.1,
}


def scratch(**changes: Any) -> Scratch:
    return Scratch(ScratchKnobs(), make_context(image_size=8, **changes))


def skd() -> Skd:
    return Skd(SkdKnobs(taps="all", weight=1.0), make_context(image_size=8))


def trained(make_method: Any, training: Any, *, cut_at: Any = None) -> tuple[Any, ...]:
    """The deployed weights and what was told; with `cut_at`, the state after that step goes on in a new trainer."""
    told, states = [], []

    def tell(step: Any, values: Any) -> None:
        told.append((step, {name: value for name, value in values.items() if name != "images_per_second"}))

    def after_step(trainer: Any) -> None:
        if trainer.step == cut_at:
            states.append(copy.deepcopy(trainer.state_dict()))
            raise InterruptedError

    trainer = make_trainer(make_method(), training, report_metrics=tell, after_step=after_step)
    if cut_at is not None:
        with pytest.raises(InterruptedError):
            trainer.run()
        torch.manual_seed(987)  # a new process has another random state
        trainer = make_trainer(make_method(), training, report_metrics=tell)
        trainer.load_state_dict(states[0])
    trainer.run()
    return snapshot(trainer.method.deployed()), told


@pytest.fixture(scope="module")
def unbroken() -> Any:
    return trained(skd, make_training(**EVERYTHING))


@pytest.mark.parametrize("cut_at", [1, 5, 8])
def test_a_cut_run_ends_with_the_same_bits(cut_at: int, unbroken: Any) -> None:
    """Early, where an epoch ends (5), and in the last one."""
    again = trained(skd, make_training(**EVERYTHING), cut_at=cut_at)
    assert same_weights(unbroken[0], again[0])
    assert unbroken[1] == again[1]


def test_the_seed_and_nothing_else_decides() -> None:
    training = make_training()
    torch.manual_seed(1)
    one, _ = trained(scratch, training)
    torch.manual_seed(2)
    assert same_weights(one, trained(scratch, training)[0])
    other = make_trainer(scratch(), training, seed=1)
    other.run()
    assert not same_weights(one, snapshot(other.method.deployed()))


def test_it_learns_and_tells_how() -> None:
    told = {}
    trainer = make_trainer(
        scratch(), make_training(epochs=8), report_metrics=lambda step, values: told.update({step: values})
    )
    trainer.run()
    first, last = told[1], told[40]
    assert last["val/top1"] > 0.7
    assert last["val/loss"] < math.log(NUM_CLASSES)
    assert set(first) >= {"train/loss", "train/loss_label", "train/top1", "learning_rate", "images_per_second"}
    assert first["train/loss"] == first["train/loss_label"]
    assert first["learning_rate"] == 0.05 and trainer.step == 40


def test_the_first_loss_told_is_that_of_the_first_batch() -> None:
    told = {}
    trainer = make_trainer(
        scratch(), make_training(max_steps=1), report_metrics=lambda step, values: told.update(values)
    )
    batch, student = trainer.plan.stages[0].batches.batch(0), copy.deepcopy(trainer.method.context.student).train()
    with torch.no_grad():
        expected = functional.cross_entropy(student(batch.views), batch.targets).item()
    trainer.run()
    assert told["train/loss"] == pytest.approx(expected, rel=1e-6)


def test_a_step_is_what_torchs_sgd_makes_of_the_clipped_gradient() -> None:
    training = make_training(max_steps=1, clip_gradient_norm=0.01, learning_rate=0.5)
    trainer = make_trainer(scratch(), training)
    batch, student = trainer.plan.stages[0].batches.batch(0), copy.deepcopy(trainer.method.context.student).train()
    functional.cross_entropy(student(batch.views), batch.targets).backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in student.parameters()])
    before = torch.cat([parameter.detach().flatten() for parameter in student.parameters()])
    step = gradient * (0.01 / gradient.norm()) + 5e-4 * before
    trainer.run()
    after = torch.cat([parameter.detach().flatten() for parameter in trainer.method.deployed().parameters()])
    # Nesterov's first step is 1 + momentum times the gradient.
    torch.testing.assert_close(after, before - 0.5 * 1.9 * step, atol=1e-5, rtol=0)


def test_a_loss_that_is_not_finite_ends_the_run_at_its_first_step() -> None:
    class Breaks(Scratch):
        count = 0

        def terms(self, student: Any, batch: Any) -> dict[str, Any]:
            self.count += 1
            scale = math.nan if self.count >= 7 else 1.0
            return {"label": scale * self.label_loss(student.logits, batch)}

    method = Breaks(ScratchKnobs(), make_context(image_size=8))
    trainer = make_trainer(method, make_training(epochs=200))
    with pytest.raises(LossDiverged, match=r"student became NaN or infinite at step 7 \(epoch 2\)") as caught:
        trainer.run()
    assert caught.value.pointer == "/training/learning_rate"
    with pytest.raises(LossDiverged):
        trainer.state_dict()


def test_a_rate_that_is_too_large_diverges_by_name() -> None:
    training = make_training(epochs=30, learning_rate=1e30, schedule="constant")
    with pytest.raises(LossDiverged, match=r"at step [1-9]"):
        make_trainer(scratch(), training).run()


@pytest.mark.parametrize("metric", ["val/top1", "val/loss"])
def test_early_stopping_ends_soon_and_keeps_the_best_epoch(metric: str) -> None:
    training = make_training(
        epochs=60, learning_rate=0.3, schedule="constant", early_stopping={"metric": metric, "patience": 2}
    )
    values, weights = [], []

    def tell(step: Any, told: Any) -> None:
        if metric in told:
            values.append(told[metric])
            weights.append(snapshot(trainer.method.deployed()))

    trainer = make_trainer(scratch(), training, report_metrics=tell)
    trainer.run()
    best = values.index(max(values) if metric == "val/top1" else min(values))
    assert trainer.step < 300 and trainer.stopped
    assert len(values) - 1 - best == 2
    assert same_weights(snapshot(trainer.method.deployed()), weights[best])


class TrainsTeacherToo(Method):
    """As in ProKT: first the teacher takes a step near the student, then the student follows it."""

    def __init__(self, knobs: Any, context: Any) -> None:
        super().__init__(knobs, context)
        context.teacher.requires_grad_(True)

    def parameter_groups(self) -> dict[Any, Any]:
        return {**super().parameter_groups(), "teacher": list(self.context.teacher.parameters())}

    rate_scales = {"teacher": 0.1}  # noqa: RUF012

    def set_training_mode(self) -> None:
        super().set_training_mode()
        self.context.teacher.train()

    def updates(self, batch: Any) -> Iterator[Any]:
        teacher = self.context.teacher(batch.views)[:, self.context.class_indices]
        yield Update({"teacher_label": self.label_loss(teacher, batch)}, group="teacher")
        followed = self.context.teacher(batch.views)[:, self.context.class_indices].detach()
        student = self.context.student.features(batch.views, ())
        yield Update({"follow": kd_loss(student.logits, followed, temperature=2.0)}, student.logits)


def test_a_teacher_may_train_along_with_its_own_optimizer() -> None:
    def method() -> TrainsTeacherToo:
        return TrainsTeacherToo(ProktKnobs(), make_context(image_size=8))

    training = make_training(optimizer="adamw", learning_rate=0.01, max_steps=5)
    start = method()
    trainer = make_trainer(method(), training)
    trainer.run()
    assert not same_weights(snapshot(start.context.teacher), snapshot(trainer.method.context.teacher))
    assert not same_weights(snapshot(start.context.student), snapshot(trainer.method.context.student))
    assert same_weights(snapshot(trainer.method.deployed()), trained(method, training, cut_at=3)[0])


def test_the_groups_terms_are_told_by_name_each_once_an_image() -> None:
    told = {}
    method = TrainsTeacherToo(ProktKnobs(), make_context(image_size=8))
    make_trainer(method, make_training(max_steps=1), report_metrics=lambda step, values: told.update(values)).run()
    assert told["train/loss"] == pytest.approx(told["train/loss_teacher_label"] + told["train/loss_follow"], rel=1e-6)


class TwoStages(Scratch):
    """As in DFA: the first half of the images for the stem, then a fresh start of the rest on the second half."""

    def __init__(self, knobs: Any, context: Any) -> None:
        super().__init__(knobs, context)
        self.seen = {}

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("stem", 0.5, "first_half"), Stage("rest", 0.5, "second_half"))

    def begin_stage(self, stage: Any) -> None:
        if stage.name == "rest":
            with torch.no_grad():
                self.context.student.classifier.weight.zero_()

    def updates(self, batch: Any) -> Iterator[Any]:
        self.seen.setdefault(self.stage.name, set()).update(batch.indices.tolist())
        yield from super().updates(batch)


def test_stages_have_their_own_halves_of_the_images() -> None:
    def method() -> TwoStages:
        return TwoStages(ScratchKnobs(), make_context(image_size=8))

    training = make_training(epochs=2)
    trainer = make_trainer(method(), training)
    trainer.run()
    seen = trainer.method.seen
    assert seen["stem"] and seen["rest"] and not seen["stem"] & seen["rest"]
    assert seen["stem"] | seen["rest"] == set(range(40))
    assert [stage.end_step - stage.first_step for stage in trainer.plan.stages] == [5, 5]
    for cut_at in (3, 5, 7):
        assert same_weights(snapshot(trainer.method.deployed()), trained(method, training, cut_at=cut_at)[0])


class ReusedClassifier(Method):
    """As in SimKD: a body learns the teacher's features, and the teacher's classifier is kept, cut to the classes."""

    needs = Needs(teacher_pooled=True)

    def __init__(self, knobs: Any, context: Any) -> None:
        super().__init__(knobs, context)
        self.joined = slice_head(make_network("cifar/resnet8", 6, image_size=8), context.class_indices.tolist())
        with torch.no_grad():
            self.joined.classifier.weight.copy_(context.teacher.classifier.weight[context.class_indices])
            self.joined.classifier.bias.copy_(context.teacher.classifier.bias[context.class_indices])
        self.joined.classifier.requires_grad_(False)

    def parameter_groups(self) -> dict[str, Any]:
        return {"student": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def updates(self, batch: Any) -> Iterator[Any]:
        seen = self.joined.features(batch.views, ())
        loss = functional.mse_loss(seen.pooled, batch.teacher.pooled)
        yield Update({"feature": loss}, seen.logits)

    def deployed(self) -> Network:
        return self.joined


def test_another_network_than_the_student_may_be_deployed() -> None:
    def method() -> ReusedClassifier:
        return ReusedClassifier(SimkdKnobs(), make_context(image_size=8))

    training = make_training(max_steps=4, ema_decay=0.9)
    trainer = make_trainer(method(), training)
    student = snapshot(trainer.method.context.student)
    trainer.run()
    assert same_weights(student, snapshot(trainer.method.context.student))
    teacher = trainer.method.context.teacher
    assert torch.equal(trainer.method.deployed().classifier.weight, teacher.classifier.weight[[5, 0, 3, 2]])
    assert not same_weights(student, snapshot(trainer.method.deployed()))
    assert same_weights(snapshot(trainer.method.deployed()), trained(method, training, cut_at=2)[0])
