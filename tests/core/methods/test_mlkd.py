"""Three levels of logits in two views against numpy, clean and as the published code has it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_batch, make_context

from core.methods.mlkd import Mlkd, gram_losses, share_of_unsure
from core.spec.knobs.mlkd import MlkdKnobs


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def kl(z_s: Any, z_t: Any, t: Any) -> Any:
    p_s, p_t = softmax(z_s / t, axis=1), softmax(z_t / t, axis=1)
    return t**2 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()


def grams(z_s: Any, z_t: Any, t: Any) -> tuple[Any, ...]:
    """Squared Frobenius norms entry by entry: over pairs of images by N, over pairs of classes by K."""
    p_s, p_t = softmax(z_s / t, axis=1), softmax(z_t / t, axis=1)
    rows = sum(((a @ b) - (c @ d)) ** 2 for a, c in zip(p_s, p_t, strict=True) for b, d in zip(p_s, p_t, strict=True))
    q_s, q_t = p_s.T, p_t.T
    columns = sum(
        ((a @ b) - (c @ d)) ** 2 for a, c in zip(q_s, q_t, strict=True) for b, d in zip(q_s, q_t, strict=True)
    )
    return rows / len(p_s), columns / len(q_s)


def test_the_gram_losses_are_those_of_numpy() -> None:
    student, teacher = logits(0), logits(1)
    losses = [loss.item() for loss in gram_losses(student, teacher, temperature=2.0)]
    assert losses == pytest.approx(grams(student.numpy(), teacher.numpy(), 2.0), abs=1e-12)
    assert [loss.item() for loss in gram_losses(student, student, temperature=2.0)] == [0, 0]


def test_gradcheck() -> None:
    teacher = logits(2)
    assert torch.autograd.gradcheck(lambda z: gram_losses(z, teacher, temperature=3.0), logits(3).requires_grad_())


def test_the_order_of_images_does_not_matter() -> None:
    student, teacher, order = logits(4), logits(5), torch.tensor([3, 1, 4, 0, 2])
    plain, shuffled = (
        gram_losses(student, teacher, temperature=4.0),
        gram_losses(student[order], teacher[order], temperature=4.0),
    )
    torch.testing.assert_close(torch.stack(shuffled), torch.stack(plain))


def test_products_stay_in_float32_under_autocast() -> None:
    student, teacher = logits(6).float(), logits(7).float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = gram_losses(student, teacher, temperature=1.0)
    assert torch.equal(torch.stack(inside), torch.stack(gram_losses(student, teacher, temperature=1.0)))


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7])
def test_the_unsure_are_those_up_to_the_median(count: int) -> None:
    values = logits(8, rows=1, classes=count)[0]
    expected = (values.numpy() <= np.percentile(values.numpy(), 50)).mean()
    assert share_of_unsure(values).item() == pytest.approx(expected)
    assert share_of_unsure(torch.ones(count)).item() == 1


def mlkd(**knobs: Any) -> Any:
    """In eval mode, so that networks give the same of the same."""
    method = Mlkd(Mlkd.resolved(MlkdKnobs(**knobs)), make_context(image_size=8))
    method.eval()
    method.context.student.eval()
    return method


def seen(method: Any, batch: Any) -> tuple[Any, ...]:
    """(student, teacher) logits in numpy, each for the weak and the strong view."""
    views = (batch.views, *batch.more_views)
    with torch.no_grad():
        student = [method.context.student(view).double().numpy() for view in views]
        teacher = [method.context.teacher(view).double().numpy()[:, [5, 0, 3, 2]] for view in views]
    return student, teacher


def values(method: Any, batch: Any) -> Any:
    return {name: term.item() for name, term in next(method.updates(batch)).terms.items()}


@pytest.mark.parametrize(("count", "scale"), [(3, 1), (4, 1), (6, 4 / 6)])  # of 4 classes
def test_clean_every_level_counts_in_both_views(count: int, scale: Any) -> None:
    method = mlkd(weight=2.0)
    batch = make_batch(method, count)
    student, teacher = seen(method, batch)
    temperatures = (2, 3, 4, 5, 6)
    instance = sum(np.mean([kl(s, t, T) for T in temperatures]) for s, t in zip(student, teacher, strict=True))
    levels = sum(np.mean([grams(s, t, T) for T in temperatures], axis=0) for s, t in zip(student, teacher, strict=True))
    label = sum(-np.log(softmax(s, axis=1)[np.arange(count), batch.targets]).mean() for s in student)
    expected = {
        "label": 0.1 * label,
        "instance": 2 * instance,
        "batch": 2 * scale * levels[0],
        "classes": 2 * scale**2 * levels[1],
    }
    assert values(method, batch) == pytest.approx(expected, rel=1e-4)


def test_with_few_classes_a_batch_costs_the_same_when_every_image_is_in_it_twice() -> None:
    method = mlkd()
    batch = make_batch(method, 6)
    twice = replace(
        batch,
        views=batch.views.repeat(2, 1, 1, 1),
        targets=batch.targets.repeat(2),
        indices=batch.indices.repeat(2),
        more_views=tuple(view.repeat(2, 1, 1, 1) for view in batch.more_views),
        teacher=replace(batch.teacher, logits=batch.teacher.logits.repeat(2, 1)),
        more_teacher=tuple(replace(seen, logits=seen.logits.repeat(2, 1)) for seen in batch.more_teacher),
    )
    assert values(method, twice) == pytest.approx(values(method, batch), rel=1e-5)


@pytest.mark.parametrize("count", [6, 5])
def test_as_published_with_its_quirks(count: int) -> None:
    method = mlkd(paper_code=True)
    batch = make_batch(method, count)
    (s_weak, s_strong), (t_weak, t_strong) = seen(method, batch)
    p = softmax(t_weak, axis=1)
    images = (p.max(axis=1) <= np.percentile(p.max(axis=1), 50)).mean()
    classes = (p.sum(axis=0) <= np.percentile(p.sum(axis=0), 50)).mean()
    five = (4, 3, 5, 2, 6)
    weak = 0.9 * images * sum(kl(s_weak, t_weak, t) for t in five)
    strong = 0.9 * sum(kl(s_strong, t_strong, t) for t in (4, 3, 5)) + 0.9 * sum(kl(s_weak, t_weak, t) for t in (2, 6))
    rows, columns = (0.9 * sum(level) for level in zip(*(grams(s_weak, t_weak, t) for t in five), strict=True))
    expected = {"instance": weak + strong, "batch": images * rows, "classes": classes * columns}
    got = values(method, batch)
    assert {name: got[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_standardized_logits_are_for_the_image_level_alone() -> None:
    plain, standard = mlkd(weight=1.0), mlkd(weight=1.0, relation_weight=1.0, standardize=True)
    batch = make_batch(plain)
    before, after = values(plain, batch), values(standard, batch)
    assert after["batch"] == before["batch"] and after["classes"] == before["classes"]
    assert after["instance"] != pytest.approx(before["instance"], rel=1e-3)


@pytest.mark.parametrize(
    ("knobs", "weights"),
    [
        ({}, (4.5, 4.5)),
        ({"standardize": True}, (9, 0.9)),
        ({"standardize": True, "paper_code": True}, (45, 45)),
        ({"weight": 2.0}, (2, 2)),
        ({"weight": 2.0, "standardize": True}, (2, 0.2)),
        ({"weight": 2.0, "relation_weight": 3.0, "standardize": True}, (2, 3)),
    ],
)
def test_weights_that_are_left_open_suit_the_logits_of_each_level(
    knobs: dict[str, Any], weights: tuple[Any, ...]
) -> None:
    resolved = Mlkd.resolved(MlkdKnobs(**knobs))
    assert (resolved.weight, resolved.relation_weight) == pytest.approx(weights)


def test_the_relations_have_a_weight_of_their_own() -> None:
    method, half = mlkd(weight=1.0), mlkd(weight=1.0, relation_weight=0.5)
    batch = make_batch(method)
    before, after = values(method, batch), values(half, batch)
    assert after == pytest.approx(before | {name: 0.5 * before[name] for name in ("batch", "classes")})


def test_it_asks_for_a_strong_second_view_that_the_teacher_sees_too() -> None:
    needs = Mlkd.needs
    assert (needs.num_views, needs.more_views, needs.teacher_sees) == (2, "strong", "all")
    assert mlkd().live_teacher is not None
