"""With two classes every term of every method teaches, or a warning or a refusal says that it cannot."""

from typing import Any

import pytest
import torch
from tiny import make_batch, make_context, make_network

from core import methods
from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, TrainingProgress
from core.methods.method import Method
from core.spec import KNOBS

# By method: knobs that every job must give, and knobs whose other values have terms of their own.
GIVEN: dict[str, dict[str, Any]] = {
    "combined": {"terms": ({"name": "kd"}, {"name": "dist"})},
    # Classifiers of zeros agree, and give the networks before them no gradient.
    "prokt": {"initial_classifiers": "given"},
}
VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "catkd": ({"normalize": True},),
    "deit": ({"hard": False},),
    "fitnet": ({"stages": 2},),
    "kd_uda": ({"adaptation": "reversal"}, {"divergence": "reverse"}),
    "mlkd": ({"standardize": True}, {"paper_code": True}, {"standardize": True, "paper_code": True}),
    "prokt": ({"form": "dual"},),
    "rco": ({"form": "features"},),
    "simkd": ({"data_free": True},),
    "skd": ({"form": "attention"}, {"form": "cosine"}, {"form": "pkd"}),
    "wttm": ({"weighted": False},),
}
CASES = [(name, knobs) for name in methods.names() for knobs in ({}, *VARIANTS.get(name, ()))]
# It holds the search's shares near even ones, from which it begins.
NOT_TEACHING = {"search_regularization"}
LEAST = 1e-6  # of a gradient's entries, beside which a teaching term has 1e-3 and more


def two_classes(name: str) -> MethodContext:
    student = "timm/deit_tiny_distilled_patch16_224" if name == "deit" else "cifar/resnet8"
    return make_context(
        image_size=32,
        student=make_network(student, 2, image_size=32),
        class_indices=torch.tensor([5, 0]),
        num_classes=2,
        classes=("a", "b"),
    )


def build(name: str, **knobs: Any) -> Method:
    method = methods.find(name)
    return method(method.resolved(KNOBS[name](**{**GIVEN.get(name, {}), **knobs})), two_classes(name))


def batch_for(method: Method) -> Batch:
    """Eight images of the two classes, and as many in the other half where the method has one."""
    batch = make_batch(method, 8, size=32)
    for each in (batch, batch.other_half):
        if each is not None:
            each.targets.remainder_(2)
    return batch


def gradients(method: Method) -> dict[str, float]:
    """The largest entry of each term's gradient in whatever the method trains, over all stages."""
    found: dict[str, float] = {}
    for stage in method.stages():
        method.stage = stage
        method.begin_stage(stage)
        method.set_training_mode()
        method.begin_step(TrainingProgress(stage, 1, 10, 0.5))
        batch = batch_for(method)
        for update in method.updates(batch):
            parameters = [p for p in method.parameter_groups()[update.group] if p.requires_grad]
            for name, term in update.terms.items():
                if name in NOT_TEACHING:
                    continue
                if term.requires_grad:
                    slopes = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
                    largest = max(slope.abs().max().item() for slope in slopes if slope is not None)
                    found[name] = max(found.get(name, 0.0), largest)
                else:
                    found.setdefault(name, 0.0)
    return found


@pytest.mark.parametrize(("name", "knobs"), CASES, ids=[f"{name} {knobs or ''}" for name, knobs in CASES])
def test_every_term_teaches(name: str, knobs: dict[str, Any]) -> None:
    found = gradients(build(name, **knobs))
    assert found and {term: slope for term, slope in found.items() if slope < LEAST} == {}


@pytest.mark.parametrize(
    ("name", "knobs", "knob"),
    [
        ("kd", {"standardize": True}, "standardize"),
        ("dkd", {"standardize": True}, "standardize"),
        ("dkd", {"alpha": 0.0}, "alpha"),
        ("mlkd", {"standardize": True, "relation_weight": 0.0}, "standardize"),
        ("dist", {"intra_weight": 0.0}, "intra_weight"),
        ("combined", {"terms": ({"name": "skd"}, {"name": "kd", "standardize": True})}, "standardize"),
    ],
)
def test_what_would_learn_nothing_from_the_teacher_is_refused(name: str, knobs: dict[str, Any], knob: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        build(name, **knobs)
    assert refused.value.pointer == f"/method/{knob}" and "two classes" in str(refused.value)
    method = methods.find(name)
    method(method.resolved(KNOBS[name](**knobs)), make_context(image_size=8))  # of four classes


@pytest.mark.parametrize(
    ("name", "knobs", "left_out"),
    [
        ("dist", {}, "inter"),
        ("mlkd", {"standardize": True}, "instance"),
        ("dkd", {}, None),
        ("combined", {}, "dist_inter"),
    ],
)
def test_what_cannot_teach_is_left_out_with_a_warning(name: str, knobs: dict[str, Any], left_out: str | None) -> None:
    method = build(name, **knobs)
    (warning,) = method.warnings()
    assert warning.code == "METHOD_TERM_WITHOUT_EFFECT" and "two classes" in warning.message
    method.set_training_mode()
    assert left_out not in next(method.updates(batch_for(method))).terms


@pytest.mark.parametrize("name", ["dist", "mlkd", "dkd", "kd"])
def test_of_more_classes_nothing_is_to_be_told(name: str) -> None:
    method = methods.find(name)
    assert method(method.resolved(KNOBS[name]()), make_context(image_size=8)).warnings() == ()
