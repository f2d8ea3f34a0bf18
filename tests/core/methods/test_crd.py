"""Contrastive distillation: the loss against its formula, which rows may be negatives, and what the memories keep."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import NUM_CLASSES, make_batch, make_context, make_trainer, make_training, same_weights, snapshot

from core.methods.crd import UNKNOWN, Crd, draw_negatives, nce_loss
from core.spec.knobs.crd import CrdKnobs


def crd(num_train: int = 40, **knobs: Any) -> Crd:
    return Crd(CrdKnobs(**{"width": 8, **knobs}), make_context(image_size=8, num_train=num_train))


def test_the_loss_is_the_papers_formula() -> None:
    draws = np.random.default_rng(0)
    probabilities, noise = draws.uniform(0.001, 0.3, size=(4, 9)), 8 / 50
    h = probabilities / (probabilities + noise)
    expected = -(np.log(h[:, 0]) + np.log(1 - h[:, 1:]).sum(axis=1)).mean()
    assert nce_loss(torch.from_numpy(np.log(probabilities / noise))).item() == pytest.approx(expected, rel=1e-9)


def test_gradcheck() -> None:
    ratios = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(nce_loss, ratios)


def test_negatives_come_evenly_from_all_other_classes_and_never_from_the_own() -> None:
    labels = torch.tensor([2, 0, 1, 0, 2, 2, 0, 1])
    torch.manual_seed(0)
    drawn = draw_negatives(labels, torch.tensor([1, 0, 7]), 6000)
    for row, (own, allowed) in zip(
        drawn, [(0, {0, 2, 4, 5, 7}), (2, {1, 2, 3, 6, 7}), (1, {0, 1, 3, 4, 5, 6})], strict=True
    ):
        places, counts = row.unique(return_counts=True)
        assert set(places.tolist()) == allowed and own not in labels[places]
        share = 6000 / len(allowed)
        assert (counts - share).abs().max() < 5 * share**0.5


def test_an_image_of_unknown_class_is_told_from_all_others() -> None:
    labels = torch.tensor([UNKNOWN, 0, UNKNOWN, 1, UNKNOWN])
    drawn = draw_negatives(labels, torch.tensor([2, 1]), 500)
    assert set(drawn[0].tolist()) == {0, 1, 3, 4}
    assert set(drawn[1].tolist()) == {0, 2, 3, 4}, "rows not seen yet are noise, and may be negatives"


def test_where_all_images_share_a_class_the_draw_stays_in_range() -> None:
    drawn = draw_negatives(torch.zeros(4, dtype=torch.int64), torch.tensor([0, 3]), 20)
    assert drawn.min() >= 0 and drawn.max() <= 3


def test_a_step_is_what_rows_gathered_one_by_one_give() -> None:
    """The reference: exp, a sum over rows gathered for each anchor, Z from the same batch."""
    method = crd(negatives=12)
    batch, n, width = make_batch(method), 40, 8
    memories = [method.teacher_memory.clone().numpy(), method.student_memory.clone().numpy()]
    student = method.context.student.features(batch.views, ())
    torch.manual_seed(3)
    loss = method.terms(student, batch)["crd"].item()
    torch.manual_seed(3)
    labels = torch.full((n,), UNKNOWN)
    labels[batch.indices] = batch.targets
    negatives = draw_negatives(labels, batch.indices, 12).numpy()
    expected = 0.0
    layers = (method.student_embedding, student.pooled), (method.teacher_embedding, batch.teacher.pooled)
    for memory, (layer, pooled) in zip(memories, layers, strict=True):
        anchors = layer(pooled).detach().numpy()
        anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
        scores = np.empty((6, 13))
        for i in range(6):
            for k, row in enumerate([batch.indices[i].item(), *negatives[i]]):
                scores[i, k] = np.exp(sum(anchors[i, d] * memory[row, d] for d in range(width)) / 0.07)
        probabilities = scores / (scores.mean() * n)
        h = probabilities / (probabilities + 12 / n)
        expected -= (np.log(h[:, 0]) + np.log(1 - h[:, 1:]).sum(axis=1)).mean()
    assert loss == pytest.approx(0.8 * expected, rel=1e-4)


def test_a_memory_moves_half_way_to_what_it_saw_and_keeps_length_one() -> None:
    method = crd()
    batch = replace(make_batch(method), indices=torch.tensor([3, 30, 7, 8, 21, 0]))
    before = method.teacher_memory.clone()
    next(method.updates(batch))
    vectors = torch.nn.functional.normalize(method.teacher_embedding(batch.teacher.pooled))
    expected = torch.nn.functional.normalize(0.5 * before[batch.indices] + 0.5 * vectors)
    torch.testing.assert_close(method.teacher_memory[batch.indices], expected)
    for memory in (method.teacher_memory, method.student_memory):
        torch.testing.assert_close(memory[batch.indices].norm(dim=1), torch.ones(6))
        assert not memory.requires_grad
    others = [place for place in range(40) if place not in batch.indices]
    assert torch.equal(method.teacher_memory[others], before[others])


def test_normalizers_are_set_by_the_first_batch_and_then_stay() -> None:
    method = crd()
    next(method.updates(make_batch(method)))
    first = method.normalizers.clone()
    next(method.updates(make_batch(method, seed=1)))
    assert (first > 0).all() and torch.equal(method.normalizers, first)


def test_no_more_negatives_than_images() -> None:
    losses = []
    for negatives in (16384, 6, 5):
        method = crd(num_train=6, negatives=negatives)
        torch.manual_seed(0)
        losses.append(next(method.updates(make_batch(method))).terms["crd"].item())
    assert losses[0] == losses[1] != losses[2]


def test_both_embeddings_learn_and_the_teacher_does_not() -> None:
    method = crd()
    sum(next(method.updates(make_batch(method))).terms.values()).backward()
    assert all(layer.weight.grad.abs().max() > 0 for layer in (method.student_embedding, method.teacher_embedding))
    assert all(parameter.grad is None for parameter in method.context.teacher.parameters())


def test_classes_are_noted_where_images_are_whole_and_not_where_they_are_mixed() -> None:
    method = crd()
    batch = make_batch(method)
    rows = torch.nn.functional.one_hot(batch.targets, NUM_CLASSES).float()
    next(method.updates(replace(batch, targets=0.7 * rows + 0.3 * rows.roll(1, dims=1))))
    assert (method.labels == UNKNOWN).all()
    next(method.updates(replace(batch, targets=rows)))
    assert torch.equal(method.labels[:6], batch.targets) and (method.labels[6:] == UNKNOWN).all()


def test_a_cut_training_goes_on_with_its_memories() -> None:
    whole, cut, resumed = crd(), crd(), crd()
    make_trainer(whole, make_training(max_steps=6)).run()
    first = make_trainer(cut, make_training(max_steps=6), after_step=stop_after(3))
    with pytest.raises(InterruptedError):
        first.run()
    second = make_trainer(resumed, make_training(max_steps=6))
    second.load_state_dict(first.state_dict())
    second.run()
    assert same_weights(snapshot(whole), snapshot(resumed))
    assert same_weights(snapshot(whole.deployed()), snapshot(resumed.deployed()))


def stop_after(step: Any) -> Any:
    def after_step(trainer: Any) -> None:
        if trainer.step == step:
            raise InterruptedError

    return after_step
