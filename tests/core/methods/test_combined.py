"""Several methods in one loss: each part's terms are those that it has alone, and its needs are met."""

from typing import Any

import pytest
import torch
from tiny import make_batch, make_context, make_trainer, make_training

from core import methods
from core.spec import KNOBS, CombinedKnobs

TERMS = ({"name": "lelp"}, {"name": "skd", "taps": "all"}, {"name": "mlkd"}, {"name": "tcs", "coordinates": 8})


def build(name: Any, context: Any = None, **knobs: Any) -> Any:
    method = methods.find(name)
    return method(method.resolved(KNOBS[name](**knobs)), context or make_context(image_size=8))


def combined(context: Any = None) -> Any:
    return build("combined", context, terms=TERMS)


def test_the_needs_of_all_parts_are_united() -> None:
    needs = combined().needs
    assert (needs.num_views, needs.more_views, needs.teacher_sees) == (2, "strong", "all")
    assert needs.survey and needs.teacher_logits and needs.teacher_pooled
    assert len(needs.teacher_taps) == 3


def test_each_part_has_the_terms_that_it_has_alone() -> None:
    context = make_context(image_size=8)
    context.student.eval()
    together = combined(context)
    batch = make_batch(together)
    terms = {
        name: term.item()
        for name, term in together.terms(context.student.features(batch.views, (0, 1, 2)), batch).items()
    }
    seen = set()
    for knobs in TERMS:
        alone = build(context=context, **knobs)
        own = make_batch(alone)
        for name, term in next(alone.updates(own)).terms.items():
            if name == "label":
                continue
            full = f"{knobs['name']}_{name}"
            seen.add(full)
            assert terms[full] == pytest.approx(term.item(), rel=1e-4), full
    assert set(terms) == seen | {"label"}


def test_every_part_that_surveys_sees_every_image() -> None:
    method = combined()
    make_trainer(method, make_training(max_steps=2)).run()
    lelp, _, _, tcs = method.parts
    assert lelp.directions.abs().amax(dim=(1, 2)).min() > 0
    assert tcs.coordinates.abs().amax(dim=1).min() > 0
    alone = build("tcs", coordinates=8)
    make_trainer(alone, make_training(max_steps=2)).run()
    assert torch.equal(alone.coordinates, tcs.coordinates)


def test_a_method_that_swaps_its_teacher_is_no_part() -> None:
    with pytest.raises(ValueError, match="rco"):
        CombinedKnobs(terms=({"name": "kd"}, {"name": "rco"}))
