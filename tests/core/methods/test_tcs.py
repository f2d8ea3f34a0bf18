"""The tailored coordinates against scikit-learn, and what the student is compared with."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from tiny import make_context, make_network, make_trainer, make_training

from core.methods.contract import Batch
from core.methods.tcs import Tcs, tailored_coordinates
from core.networks.network import Features
from core.spec.knobs.tcs import TcsKnobs
from core.teachers.frozen import FrozenTeacher


def normal(seed: Any, *shape: Any) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_with_all_coordinates_they_are_principal_components_up_to_order_and_sign() -> None:
    embeddings, labels = normal(0, 50, 4) * torch.tensor([5.0, 3.0, 1.0, 0.2]) + 9, torch.arange(50) % 3
    coordinates = tailored_coordinates(embeddings, labels, 4)
    assert coordinates.square().mean().item() == pytest.approx(1)
    expected = PCA(4).fit_transform(embeddings.numpy())
    expected /= np.sqrt((expected**2).mean())
    likeness = abs(np.corrcoef(coordinates.numpy().T, expected.T)[:4, 4:])
    np.testing.assert_allclose(np.sort(likeness, axis=1)[:, -1], 1, atol=1e-9)
    np.testing.assert_allclose(np.sort((coordinates**2).sum(0).numpy()), np.sort((expected**2).sum(0)), rtol=1e-9)


def test_distances_between_images_stay_as_they_are_but_for_one_factor() -> None:
    embeddings = normal(1, 20, 5)
    coordinates = tailored_coordinates(embeddings, torch.arange(20) % 2, 5)
    factors = torch.pdist(coordinates) / torch.pdist(embeddings)
    torch.testing.assert_close(factors, factors[0].expand_as(factors))


def test_coordinates_that_tell_the_classes_apart_come_before_larger_ones() -> None:
    labels = torch.arange(200) % 2
    embeddings = normal(2, 200, 6) * torch.tensor([20.0, 10.0, 5.0, 1.0, 0.1, 0.1])
    embeddings[:, 3] += 12.0 * labels
    (first,) = tailored_coordinates(embeddings, labels, 1).T
    assert abs(np.corrcoef(first.numpy(), labels.numpy())[0, 1]) > 0.95


def test_fewer_images_than_coordinates_stay_finite() -> None:
    coordinates = tailored_coordinates(normal(3, 3, 8), torch.tensor([0, 1, 1]), 8)
    assert torch.isfinite(coordinates).all() and coordinates.square().mean().item() == pytest.approx(1)
    assert tailored_coordinates(torch.ones(4, 8).double(), torch.arange(4), 8).abs().max() == 0


def tcs(**knobs: Any) -> Tcs:
    return Tcs(TcsKnobs(**knobs), make_context(image_size=8))


def surveyed(method: Any, embeddings: Any, labels: Any) -> Any:
    """In shuffled batches, as the loop need not keep any order."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    batches = []
    for indices in order.split(16):
        teacher = Features(torch.full((len(indices), 6), torch.nan), embeddings[indices].float(), ())
        batches.append(Batch(torch.zeros(len(indices), 3, 8, 8), labels[indices], indices, teacher))
    method.survey(iter(batches))
    return method


EMBEDDINGS, LABELS = normal(4, 40, 64) + 3 * normal(5, 4, 64)[torch.arange(40) % 4], torch.arange(40) % 4


def test_every_image_keeps_its_own_coordinates_whatever_the_order_and_the_teachers_logits() -> None:
    method = surveyed(tcs(coordinates=8), EMBEDDINGS, LABELS)
    expected = tailored_coordinates(EMBEDDINGS, LABELS, 8)
    np.testing.assert_allclose(abs(method.coordinates.numpy()), abs(expected.numpy()), atol=1e-3)
    means = np.stack([method.coordinates.numpy()[LABELS.numpy() == k].mean(axis=0) for k in range(4)])
    np.testing.assert_allclose(method.class_means.numpy(), means, atol=1e-5)


def test_the_term_compares_the_adapted_features_with_the_images_coordinates() -> None:
    method = surveyed(tcs(coordinates=8, weight=2.0), EMBEDDINGS, LABELS)
    pooled, indices = normal(6, 5, 64).float(), torch.tensor([7, 0, 39, 7, 12])
    batch = Batch(torch.zeros(5, 3, 8, 8), LABELS[indices], indices)
    student = Features(torch.zeros(5, 4), pooled, ())
    adapted = pooled.numpy() @ method.adapter.weight.detach().numpy().T + method.adapter.bias.detach().numpy()
    expected = 2 * ((adapted - method.coordinates.numpy()[indices]) ** 2).mean()
    assert method.terms(student, batch)["coordinates"].item() == pytest.approx(expected, rel=1e-5)


def test_a_mixed_image_is_drawn_to_the_mix_of_its_classes_means() -> None:
    method = surveyed(tcs(coordinates=8), EMBEDDINGS, LABELS)
    rows = torch.tensor([[0.25, 0.75, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    targets = method.targets(Batch(torch.zeros(2, 3, 8, 8), rows, torch.tensor([3, 4])))
    means = method.class_means
    torch.testing.assert_close(targets, torch.stack([0.25 * means[0] + 0.75 * means[1], means[2]]))


def test_the_teacher_sees_every_image_once_and_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    method = tcs(coordinates=8)
    trainer, observe = make_trainer(method, make_training(max_steps=4)), FrozenTeacher.observe
    seen = []

    def noted(teacher: Any, views: Any) -> Any:
        seen.append(len(views))
        return observe(teacher, views)

    monkeypatch.setattr(FrozenTeacher, "observe", noted)
    trainer.run()
    assert sum(seen) == 40
    assert method.coordinates.square().mean().item() == pytest.approx(1, rel=1e-5)


def test_no_more_coordinates_than_the_teacher_is_wide_and_none_is_deployed() -> None:
    method = tcs(coordinates=1000)
    assert method.coordinates.shape == (40, 64) and method.adapter.weight.shape == (64, 64)
    assert method.deployed().state_dict().keys() == make_network("cifar/resnet8").state_dict().keys()
