"""Where a feature map has a single position, what compares positions is left out with a warning, or refused."""

from typing import Any

import pytest
import torch
from tiny import make_batch, make_context

from core import methods
from core.errors import SpecInvalid
from core.methods.catkd import Catkd
from core.methods.method import Method
from core.spec import KNOBS
from core.spec.knobs.catkd import CatkdKnobs
from core.spec.warning_codes import METHOD_TERM_WITHOUT_EFFECT

SIZE = 4  # the teacher has maps of 4, 2 and 1 positions a side: layer1, layer2, layer3


def build(name: str, **knobs: Any) -> Method:
    method = methods.find(name)
    return method(method.resolved(KNOBS[name](**knobs)), make_context(image_size=SIZE))


def gradient(method: Method) -> float:
    """The largest entry of the gradient of the method's own term by the student's weights."""
    batch = make_batch(method, 6, size=SIZE)
    student = method.context.student
    weights = [weight for weight in student.module.parameters() if weight.requires_grad]
    terms = method.terms(student.features(batch.views, method.needs.student_taps), batch)
    del terms["label"]
    gradients = torch.autograd.grad(sum(terms.values()), weights, allow_unused=True)  # type: ignore[arg-type]
    return max(float(each.abs().max()) for each in gradients if each is not None)


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("at", {"taps": ("layer3",)}),
        ("skd", {"taps": ("layer3",), "form": "attention"}),
    ],
)
def test_what_could_teach_nothing_is_refused(name: str, knobs: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid, match="single position"):
        build(name, **knobs)


@pytest.mark.parametrize(("name", "knobs"), [("at", {}), ("skd", {"form": "attention"})])
def test_such_a_tap_among_others_is_left_out_with_a_warning(name: str, knobs: dict[str, Any]) -> None:
    method = build(name, taps=("layer2", "layer3"), **knobs)
    (warning,) = method.warnings()
    assert warning.code == METHOD_TERM_WITHOUT_EFFECT and "'layer3'" in warning.message
    assert method.needs.teacher_taps == ("layer2",) and len(method.needs.student_taps) == 1
    assert gradient(method) > 1e-6


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("skd", {"taps": ("layer3",)}),
        ("skd", {"taps": ("layer3",), "form": "cosine"}),
        ("skd", {"taps": ("layer3",), "form": "pkd"}),
        ("pkd", {"taps": ("layer3",)}),
        ("fitnet", {"taps": ("layer3",)}),
        ("sp", {"taps": ("layer3",)}),
        ("vid", {"taps": ("layer3",)}),
    ],
)
def test_what_compares_channels_or_images_teaches_there_too(name: str, knobs: dict[str, Any]) -> None:
    method = build(name, **knobs)
    assert method.warnings() == ()
    assert gradient(method) > 1e-6


def test_class_maps_of_a_single_position_are_not_scaled() -> None:
    context = make_context(image_size=8)  # last maps of 2 x 2
    with pytest.raises(SpecInvalid, match="single position"):
        Catkd(CatkdKnobs(normalize=True, resolution=1), context)
    Catkd(CatkdKnobs(normalize=True, resolution=2), context)
    Catkd(CatkdKnobs(normalize=False, resolution=1), context)
