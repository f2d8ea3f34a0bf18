"""Pseudo-subclasses: the joint divergence, the directions against scikit-learn, and subclasses that were hidden."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.decomposition import PCA
from tiny import make_batch, make_context, make_trainer, make_training

from core.errors import UserError
from core.methods.contract import Batch
from core.methods.kd import kd_loss
from core.methods.lelp import Lelp, directions_of, null_space, subclass_loss
from core.networks.network import Features
from core.spec.knobs.lelp import LelpKnobs
from core.system.seeds import generator


def normal(seed: Any, *shape: Any, scale: float = 1.0) -> Any:
    return scale * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_with_the_classes_it_is_the_divergence_over_all_subclasses(temperature: float) -> None:
    """P[k, s] = p[k] q[s | k], flattened, in one Kullback-Leibler sum."""
    z_s, z_t, u_s, u_t = (normal(seed, *shape, scale=2.0) for seed, shape in enumerate([(5, 3)] * 2 + [(5, 3, 4)] * 2))
    p_s, p_t = (softmax(z.numpy() / temperature, axis=1)[:, :, None] for z in (z_s, z_t))
    q_s, q_t = (softmax(u.numpy(), axis=2) for u in (u_s, u_t))
    joint_s, joint_t = (p_s * q_s).reshape(5, 12), (p_t * q_t).reshape(5, 12)
    np.testing.assert_allclose(joint_s.sum(axis=1), 1)
    expected = temperature**2 * (joint_t * np.log(joint_t / joint_s)).sum(axis=1).mean()
    within = subclass_loss(z_t, u_t.log_softmax(dim=2), u_s.log_softmax(dim=2), temperature=temperature)
    total = kd_loss(z_s, z_t, temperature=temperature) + within
    assert total.item() == pytest.approx(expected, abs=1e-12)
    assert within.item() > 0.1


def test_gradcheck() -> None:
    z_t, q_t = normal(4, 3, 2), normal(5, 3, 2, 4).log_softmax(dim=2)
    assert torch.autograd.gradcheck(
        lambda u: subclass_loss(z_t, q_t, u.log_softmax(dim=2), temperature=2.0), normal(6, 3, 2, 4).requires_grad_()
    )


def test_the_null_space_is_what_the_weights_do_not_see() -> None:
    weight = normal(7, 3, 8)
    weight[2] = weight[0] - 2 * weight[1]  # rank 2
    projector = null_space(weight)
    torch.testing.assert_close(projector @ projector, projector)
    torch.testing.assert_close(projector, projector.T)
    assert projector.trace().item() == pytest.approx(6)
    assert (weight @ projector).abs().max() < 1e-12


def test_directions_span_the_first_principal_components_with_unit_variance() -> None:
    embeddings = normal(8, 40, 6) * torch.tensor([5.0, 3.0, 2.0, 0.5, 0.1, 0.1]) + 7
    directions = directions_of(embeddings, 3, generator(0, "test"))
    components = PCA(3).fit(embeddings.numpy()).components_
    unit = np.linalg.svd(directions.numpy(), full_matrices=False)[2]
    np.testing.assert_allclose(unit.T @ unit, components.T @ components, atol=1e-10)
    along = (embeddings - embeddings.mean(dim=0)) @ directions.T
    assert along.square().mean().item() == pytest.approx(1)
    # Rotated among themselves: their lengths stay equal, and each is a blend of components.
    np.testing.assert_allclose(directions.norm(dim=1).numpy(), directions[0].norm().item(), rtol=1e-10)
    unit = directions.numpy() / np.linalg.norm(directions.numpy(), axis=1, keepdims=True)
    assert abs(unit @ components.T).max() < 0.999


def test_equal_embeddings_and_a_single_one_have_no_directions() -> None:
    for embeddings in (torch.ones(5, 6, dtype=torch.float64), normal(9, 1, 6)):
        assert directions_of(embeddings, 2, generator(0, "test")).abs().max() == 0


def lelp(context: Any = None, **knobs: Any) -> Lelp:
    return Lelp(LelpKnobs(**knobs), context or make_context(image_size=8))


def survey_batches(embeddings: Any, labels: Any, size: int = 16) -> Iterator[Any]:
    for start in range(0, len(labels), size):
        chunk = slice(start, start + size)
        teacher = Features(torch.zeros(len(labels[chunk]), 6), embeddings[chunk].float(), ())
        yield Batch(torch.zeros(len(labels[chunk]), 3, 8, 8), labels[chunk], torch.arange(start, start + size), teacher)


def test_subclasses_that_the_classifier_does_not_see_are_found() -> None:
    """Each class has two hidden kinds, apart along a direction that the teacher's weights are blind to."""
    method = lelp(num_subclasses=2, subclass_temperature=0.1)
    weight = method.context.teacher.classifier.weight.detach().double()[[5, 0, 3, 2]]
    hidden = torch.linalg.svd(weight).Vh[-4:]  # (4, 64), one for each class, in the null space
    labels = torch.arange(80) % 4
    kind = (torch.arange(80) // 4) % 2
    seen = 20 * (torch.rand(80, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5)
    embeddings = normal(10, 80, 64, scale=0.05) + (6 * kind - 3).unsqueeze(1) * hidden[labels] + seen * weight[labels]
    method.survey(survey_batches(embeddings, labels))
    assert (method.directions.double() @ weight.T).abs().max() < 1e-5
    with torch.no_grad():
        scores = method.projections(embeddings.float()).view(80, 4, 2)[torch.arange(80), labels]
    for k in range(4):
        found = scores[labels == k].argmax(dim=1)
        assert torch.equal(found, kind[labels == k]) or torch.equal(found, 1 - kind[labels == k])


def test_projections_are_those_of_numpy() -> None:
    method = lelp(num_subclasses=3)
    labels = torch.arange(40) % 4
    embeddings = normal(11, 40, 64)
    method.survey(survey_batches(embeddings, labels))
    centres = np.stack([embeddings.numpy()[labels.numpy() == k].mean(axis=0) for k in range(4)])
    directions = method.directions.double().numpy()
    expected = np.stack([(embeddings.numpy() - centres[k]) @ directions[k].T for k in range(4)], axis=1)
    np.testing.assert_allclose(method.projections(embeddings.float()).view(40, 4, 3).numpy(), expected, atol=1e-4)


def test_a_class_of_one_image_and_one_without_any_are_not_split() -> None:
    method = lelp(num_subclasses=2)
    labels = torch.tensor([0] * 10 + [1])
    method.survey(survey_batches(normal(12, 11, 64), labels))
    assert method.directions[0].abs().max() > 0 and method.directions[1:].abs().max() == 0
    assert torch.isfinite(next(method.updates(make_batch(method))).terms["subclasses"])


def test_where_the_weights_see_all_directions_come_from_the_whole_space() -> None:
    method = lelp(num_subclasses=61)  # 64 wide, four classes: 60 dimensions are unseen
    method.survey(survey_batches(normal(13, 160, 64), torch.arange(160) % 4))
    weight = method.context.teacher.classifier.weight.detach()[[5, 0, 3, 2]]
    assert (method.directions @ weight.T).abs().max() > 0.01


def test_with_one_subclass_it_is_kd() -> None:
    method = lelp(num_subclasses=1)
    method.survey(survey_batches(normal(14, 40, 64), torch.arange(40) % 4))
    terms = next(method.updates(batch := make_batch(method))).terms
    assert terms["subclasses"].item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        teacher = method.context.teacher(batch.views)[:, [5, 0, 3, 2]]
        student = method.context.student(batch.views)
    assert terms["classes"].item() == pytest.approx(0.9 * kd_loss(student, teacher, temperature=4.0).item(), rel=1e-4)


def test_what_is_learned_before_the_first_step_is_kept_in_the_state() -> None:
    method = lelp()
    make_trainer(method, make_training(max_steps=2)).run()
    assert method.directions.abs().amax(dim=(1, 2)).min() > 0, "every class of the training split was surveyed"
    again = lelp()
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.directions, method.directions) and torch.equal(again.centres, method.centres)


def test_more_subclasses_than_directions_are_refused() -> None:
    with pytest.raises(UserError, match="64 directions"):
        lelp(num_subclasses=65)
