"""What every method must hold, over every method there is: a new one needs a row of settings here, or this fails."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import (
    NUM_CLASSES,
    make_batch,
    make_context,
    make_network,
    make_trainer,
    make_training,
    same_weights,
    snapshot,
)

from core import methods
from core.methods.contract import Batch, MethodContext, Update
from core.methods.method import Method
from core.spec import KNOBS
from core.training.trainer import Trainer

# By method: the knobs that switch its own terms off (None: it has no terms but the label's; or no knobs turn it into
# scratch, as it has no label term, learns from two views of each image, or deploys a network of another make).
SETTINGS: dict[str, dict[str, Any] | None] = {
    "at": {"weight": 0.0},
    "catkd": {"weight": 0.0},
    "combined": {"terms": ({"name": "kd", "weight": 0.0, "label_weight": 1.0}, {"name": "skd", "weight": 0.0})},
    "crd": {"weight": 0.0},
    "deit": None,
    "dfa": {
        "weight": 0.0,
        "aggregation": {tap: {f"{tap}.0": 0.5, f"{tap}.1": 0.5} for tap in ("layer1", "layer2", "layer3")},
    },
    "dist": {"weight": 0.0},
    "dho": None,
    "dkd": {"weight": 0.0},
    "finetune": None,
    "fitnet": {"weight": 0.0},
    "kd": {"weight": 0.0, "label_weight": 1.0},
    "kd_uda": {
        "label_weight": 1.0,
        "source_weight": 0.0,
        "target_weight": 0.0,
        "distillation_start": 1.0,
        "distillation_end": 1.0,
    },
    "lelp": {"weight": 0.0, "label_weight": 1.0},
    "mlkd": None,
    "ofa": {"weight": 0.0, "exit_weight": 0.0},
    "oskd": {"weight": 0.0},
    "patient": None,
    "pkd": {"weight": 0.0},
    "pkt": {"weight": 0.0},
    "prokt": None,
    "rco": {"weight": 0.0, "label_weight": 1.0},
    "reviewkd": {"weight": 0.0},
    "rkd": {"distance_weight": 0.0, "angle_weight": 0.0},
    "scratch": None,
    "sfr": {"weight": 0.0, "smoothing": 0.0},
    "simkd": None,
    "skd": {"weight": 0.0},
    "sp": {"weight": 0.0},
    "srd": {"weight": 0.0, "feature_weight": 0.0},
    "streamlined": None,
    "tcs": {"weight": 0.0},
    "vid": {"weight": 0.0},
    "wsl": {"weight": 0.0},
    "wttm": {"weight": 0.0},
}
# Methods for students of a certain make.
STUDENTS = {"deit": ("timm/deit_tiny_distilled_patch16_224", 32)}
# Knobs that have no default, or whose default makes a test trivial.
GIVEN: dict[str, dict[str, Any]] = {
    "combined": {"terms": ({"name": "kd"}, {"name": "skd"})},
    # A classifier of zeros has the same loss whatever the label.
    "prokt": {"initial_classifiers": "given"},
}
# Labels are not looked at, or only where a knob asks for them.
WITHOUT_LABEL_TERM = {"patient", "simkd", "streamlined"}
NAMES = methods.names()


def context_of(name: str) -> MethodContext:
    student, size = STUDENTS.get(name, ("cifar/resnet8", 8))
    return make_context(image_size=8, student=make_network(student, image_size=size))


def is_frozen(name: str) -> bool:
    """Whether the method has a teacher and does not change it."""
    return "teacher" in KNOBS[name].needs and "teacher" not in knobs_of(name).trained_along


def knobs_of(name: str, **knobs: Any) -> Any:
    return KNOBS[name](**{**GIVEN.get(name, {}), **knobs})


def build(name: str, context: MethodContext | None = None, **knobs: Any) -> Method:
    method = methods.find(name)
    return method(method.resolved(knobs_of(name, **knobs)), context or context_of(name))


def take(method: Method, batch: Batch, check: Callable[[Update], None]) -> None:
    """One batch's updates with plain SGD, as the loop takes them; `check` sees each after its backward pass."""
    groups = method.parameter_groups()
    for update in method.updates(batch):
        optimizer = torch.optim.SGD(groups[update.group], lr=0.05)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(update.terms.values())).sum().backward()
        check(update)
        optimizer.step()


def test_every_method_has_knobs_and_a_row_here() -> None:
    assert set(NAMES) == set(KNOBS) == set(SETTINGS)


@pytest.mark.parametrize("name", [name for name in NAMES if is_frozen(name)])
def test_a_frozen_teacher_does_not_move(name: Any) -> None:
    method = build(name)
    before = snapshot(method.context.teacher)
    make_trainer(method, make_training(max_steps=3)).run()
    assert same_weights(before, snapshot(method.context.teacher))
    assert all(parameter.grad is None for parameter in method.context.teacher.parameters())
    method.set_training_mode()
    assert not any(module.training for module in method.context.teacher.modules())
    assert not any(
        parameter is other for parameter in method.parameters() for other in method.context.teacher.parameters()
    )


@pytest.mark.parametrize("name", [name for name in NAMES if SETTINGS.get(name) is not None])
def test_without_its_own_terms_it_is_scratch_bit_for_bit(name: Any) -> None:
    weights = []
    for method in (
        build(name, **SETTINGS[name]),
        build("scratch", make_context(image_size=8)),
    ):
        make_trainer(method, make_training(max_steps=4)).run()
        weights.append(snapshot(method.deployed()))
    assert same_weights(*weights)


@pytest.mark.parametrize("name", [name for name in NAMES if SETTINGS.get(name) is not None])
def test_with_its_own_terms_it_is_not_scratch(name: Any) -> None:
    weights = []
    for its_name in (name, "scratch"):
        method = build(its_name)
        make_trainer(method, make_training(max_steps=4)).run()
        weights.append(snapshot(method.deployed()))
    assert not same_weights(*weights)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_can_learn_is_in_a_group_and_gets_a_gradient(name: Any) -> None:
    """In one stage at least, where it has several."""
    method, taught = build(name), set()
    for stage in method.stages():
        method.stage = stage
        method.begin_stage(stage)
        method.set_training_mode()
        grouped = {id(p): p for group in method.parameter_groups().values() for p in group}
        assert len(grouped) == sum(len(group) for group in method.parameter_groups().values())
        moved: set[int] = set()
        for seed in range(2):
            take(
                method,
                make_batch(method, seed=seed),
                lambda update, grouped=grouped, moved=moved: moved.update(
                    key for key, p in grouped.items() if p.grad is not None and p.grad.abs().max() > 0
                ),
            )
        assert set(grouped) <= moved
        taught |= moved
    assert {id(p) for p in (*method.parameters(), *method.deployed().parameters()) if p.requires_grad} <= taught


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("count", "autocast"), [(6, False), (3, False), (1, False), (6, True), (1, True)])
def test_terms_are_named_finite_scalars(name: Any, count: int, autocast: bool) -> None:
    method = build(name)
    method.set_training_mode()
    batch = make_batch(method, count)
    seen: list[Update] = []
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        seen.extend(method.updates(batch))
    assert seen
    for update in seen:
        assert update.terms and all(term_name.isidentifier() for term_name in update.terms)
        for term in update.terms.values():
            assert term.shape == () and torch.isfinite(term) and term.dtype == torch.float32
        assert update.logits is None or update.logits.shape == (count, NUM_CLASSES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_LABEL_TERM])
def test_mixed_labels_are_weighed(name: Any) -> None:
    """A batch of one-hot rows gives what the classes give; half-half rows give something else."""
    method = build(name)
    method.set_training_mode()
    hard = make_batch(method)
    rows = torch.nn.functional.one_hot(hard.targets, NUM_CLASSES).float()

    def label_term(targets: torch.Tensor) -> float:
        updates = method.updates(replace(hard, targets=targets))
        return next(update.terms["label"] for update in updates if "label" in update.terms).item()

    assert label_term(rows) == pytest.approx(label_term(hard.targets), rel=1e-5)
    assert label_term((rows + rows.roll(1, dims=1)) / 2) != pytest.approx(label_term(rows), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_deployed_network_needs_neither_teacher_nor_method(name: Any) -> None:
    method = build(name)
    make_trainer(method, make_training(max_steps=2)).run()
    deployed = method.deployed().eval()
    views = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected, state = deployed(views), snapshot(deployed.module)
    architecture, size = deployed.architecture, deployed.input.size
    del method, deployed
    fresh = make_network(architecture, seed=99, image_size=size).eval()
    fresh.module.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(fresh(views), expected, atol=1e-5, rtol=0)


class Cut(Exception):
    """The trainer is stopped here."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_cut_in_the_middle_it_goes_on_as_if_it_had_not_been(name: Any) -> None:
    states: list[dict[str, Any]] = []

    def cut(trainer: Trainer) -> None:
        if trainer.step == 3:
            states.append(copy.deepcopy(trainer.state_dict()))
            raise Cut

    # Two epochs of two steps each, so that the cut lies inside of one.
    training = {"training": make_training(batch_size=20, max_steps=4), "num_train": 40}
    whole, first, second = (build(name) for _ in range(3))
    make_trainer(whole, **training).run()
    with pytest.raises(Cut):
        make_trainer(first, **training, after_step=cut).run()
    resumed = make_trainer(second, **training)
    resumed.load_state_dict(states[0])
    resumed.run()
    assert same_weights(snapshot(whole.deployed()), snapshot(second.deployed()))
    assert same_weights(snapshot(whole), snapshot(second))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_says_where_it_comes_from(name: Any) -> None:
    assert methods.find(name).__doc__
    assert KNOBS[name].source and KNOBS[name].fidelity in ("as published", "our variant", "common practice")


@pytest.mark.parametrize("name", NAMES)
def test_a_teacher_is_asked_only_where_the_knobs_require_one(name: str) -> None:
    method = build(name)
    assert method.requires("teacher") or not (method.needs.teacher_output or method.needs.survey)


def test_a_linear_probe_moves_the_classifier_alone() -> None:
    method = build("finetune", freeze_backbone=True)
    before = snapshot(method.context.student.module)
    make_trainer(method, make_training(max_steps=3)).run()
    after = method.context.student.module.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if key.startswith(f"{method.context.student.classifier_path}.")}
