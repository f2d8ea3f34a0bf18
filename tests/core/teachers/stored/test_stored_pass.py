"""A stored pass in the loop: the student sees what the teacher saw, jobs share it, a cut run ends the same."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CPU, make_context, make_split, make_trainer, make_training, same_weights, snapshot

from core.data.augment import Augmenter
from core.methods.kd import Kd
from core.methods.skd import Skd
from core.spec.knobs.kd import KdKnobs
from core.spec.knobs.skd import SkdKnobs
from core.teachers.frozen import FrozenTeacher
from core.teachers.stored.record import layout_of
from core.teachers.stored.store import PassStore
from core.teachers.stored.stored_pass import StoredPass, address_of

COUNT = 40


def kd() -> Kd:
    return Kd(Kd.resolved(KdKnobs()), make_context(image_size=8))


def skd() -> Skd:
    return Skd(SkdKnobs(taps="all", weight=1.0), make_context(image_size=8))


def stored_trainer(method: Any, root: Any, *, num_views: int = 2, **fields: Any) -> Any:
    """A trainer whose batches come from a stored pass below `root`."""
    trainer = make_trainer(method, make_training(epochs=4), num_train=COUNT, **fields)
    split, augmenter, needs = make_split(COUNT), Augmenter("light", 8), method.needs
    teacher = FrozenTeacher(method.context.teacher, needs, CPU)
    features = teacher.observe(torch.zeros(1, 3, 8, 8))
    layout = layout_of(
        features, image_size=8, precision="fp16", keep_logits=needs.teacher_logits, keep_pooled=needs.teacher_pooled
    )
    address = address_of(
        method.context.teacher.state_dict(), architecture="x", input_format=method.context.teacher.input,
        fingerprint="f", split=split, augmenter=augmenter, taps=needs.teacher_taps, layout=layout, arithmetic=CPU,
        teacher_precision="same",
    )  # fmt: skip
    store = PassStore(root, address, num_records=COUNT, record_bytes=layout.record_bytes, max_bytes=10**9)
    passed = StoredPass(split, augmenter, layout, store, num_views, CPU, teacher.observe)
    stages = tuple(replace(stage, batches=replace(stage.batches, stored=passed)) for stage in trainer.plan.stages)
    trainer.plan = replace(trainer.plan, stages=stages)
    trainer.teachers = replace(trainer.teachers, first=teacher)
    return trainer


@pytest.mark.parametrize("make", [kd, skd])
def test_a_record_is_what_the_live_teacher_says_of_the_very_view_that_the_student_sees(
    make: Any, tmp_path: Path
) -> None:
    method = make()
    trainer = stored_trainer(method, tmp_path)
    batches = trainer.plan.stages[0].batches
    batches.stored.ensure(0, lambda: None)
    batch = batches.batch(0)
    with torch.no_grad():
        said = method.context.teacher.features(batch.views, method.needs.teacher_taps)
    close = {"atol": 2e-3, "rtol": 2e-3}  # float16
    if method.needs.teacher_logits:
        torch.testing.assert_close(batch.teacher.logits, said.logits, **close)
    for stored, live in zip(batch.teacher.maps, said.maps, strict=True):
        torch.testing.assert_close(stored, live, **close)
    assert torch.equal((batch.views * 255).round() / 255, batch.views)


def test_the_teacher_runs_once_a_view_and_not_at_all_for_the_next_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, seen, observe = [], [], FrozenTeacher.observe

    def noted(teacher: Any, views: Any) -> Any:
        seen.append(1)
        return observe(teacher, views)

    monkeypatch.setattr(FrozenTeacher, "observe", noted)
    for _ in range(2):
        trainer = stored_trainer(kd(), tmp_path)
        seen.clear()
        trainer.run()
        counts.append(len(seen))
        assert trainer.step == 20
    assert counts == [2, 0]  # two views of 40 images, each in one batch


def test_epochs_go_through_the_views_in_turn(tmp_path: Path) -> None:
    batches = stored_trainer(kd(), tmp_path, num_views=3).plan.stages[0].batches
    assert [batches.view_of(step) for step in (0, 4, 5, 9, 10, 14, 15)] == [0, 0, 1, 1, 2, 2, 0]
    for view in range(3):
        batches.stored.ensure(view, lambda: None)
    everything = torch.arange(COUNT)
    views = [batches.stored.decode(batches.stored.fetch(everything, view), CPU.device)[0] for view in range(3)]
    assert not torch.equal(views[0], views[1]) and not torch.equal(views[1], views[2])


@pytest.mark.parametrize("cut_at", [3, 5, 11])
def test_a_cut_run_ends_with_the_same_bits_with_or_without_the_shelf(cut_at: int, tmp_path: Path) -> None:
    whole = stored_trainer(skd(), tmp_path / "one")
    whole.run()
    for again in ("one", "two"):  # the next worker has the views, or has to make them
        states = []

        def after_step(trainer: Any, states: Any = states) -> None:
            if trainer.step == cut_at:
                states.append(copy.deepcopy(trainer.state_dict()))
                raise InterruptedError

        with pytest.raises(InterruptedError):
            stored_trainer(skd(), tmp_path / "one", after_step=after_step).run()
        resumed = stored_trainer(skd(), tmp_path / again)
        resumed.load_state_dict(states[0])
        resumed.run()
        assert same_weights(snapshot(whole.method.deployed()), snapshot(resumed.method.deployed()))


def test_an_interruption_while_a_view_is_made_leaves_nothing_of_it(tmp_path: Path) -> None:
    trainer = stored_trainer(kd(), tmp_path)

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    trainer.poll = stop
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert trainer.step == 0
    assert not trainer.plan.stages[0].batches.stored.store.has(0)


def test_the_address_tells_apart_all_that_records_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    split, teacher = make_split(COUNT), make_context(image_size=8).teacher
    features = FrozenTeacher(teacher, kd().needs, CPU).observe(torch.zeros(1, 3, 8, 8))
    layout = layout_of(features, image_size=8, precision="fp16", keep_logits=True, keep_pooled=False)
    given = {
        "architecture": "x", "input_format": teacher.input, "fingerprint": "f", "split": split,
        "augmenter": Augmenter("light", 8), "taps": (), "layout": layout, "arithmetic": CPU,
        "teacher_precision": "same",
    }  # fmt: skip
    moved = copy.deepcopy(teacher)
    with torch.no_grad():
        next(moved.parameters()).view(-1)[0] += 1e-6
    same = address_of(teacher.state_dict(), **given)
    assert same == address_of(copy.deepcopy(teacher).state_dict(), **given)
    others = [address_of(moved.state_dict(), **given)]
    for change in (
        {"architecture": "y"}, {"fingerprint": "g"}, {"split": make_split(COUNT - 1)}, {"taps": (-1,)},
        {"augmenter": Augmenter("none", 8)}, {"layout": replace(layout, precision="int8")},
        {"arithmetic": replace(CPU, precision="bf16")}, {"teacher_precision": "int8"},
        {"input_format": replace(teacher.input, mean=(0.5, 0.5, 0.5))},
        {"input_format": replace(teacher.input, std=(0.5, 0.5, 0.5))},
        {"input_format": replace(teacher.input, size=16)},
        {"input_format": replace(teacher.input, resize_mode="bicubic")},
    ):  # fmt: skip
        others.append(address_of(teacher.state_dict(), **{**given, **change}))
    monkeypatch.setattr(torch, "__version__", "0.0.0")
    others.append(address_of(teacher.state_dict(), **given))
    assert len({same, *others}) == len(others) + 1
