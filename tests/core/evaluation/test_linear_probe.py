"""The classifier that is fitted to the features of a network, against scipy's minimum of the same function."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn import functional as F

from core.data.augment import Augmenter
from core.evaluation import linear_probe
from core.evaluation.linear_probe import DECAY, fit, fit_classifier
from core.files.result_cache import ResultCache
from core.networks.network import Network
from tests.core.tiny import make_network, make_split, same_weights, snapshot

VIEWS = Augmenter("none", 8).test_views
CPU = torch.device("cpu")


def fit_to_noise(network: Network, cache: Path, fingerprint: str = "these images") -> None:
    split = make_split(40)
    fit_classifier(network, split, fingerprint=fingerprint, views=VIEWS, device=CPU, result_cache=ResultCache(cache))


def test_it_finds_the_minimum_that_another_solver_finds() -> None:
    draws = torch.Generator().manual_seed(0)
    features, labels = torch.randn(60, 5, generator=draws) * 3 + 7, torch.arange(60) % 3
    weight, bias = fit(features, labels, 3)
    wide = features.double()
    standardized = (wide - wide.mean(0)) / wide.std(0, correction=0)

    def loss(flat: np.ndarray) -> float:
        matrix = torch.from_numpy(flat).reshape(3, 6)
        logits = standardized @ matrix[:, :5].T + matrix[:, 5]
        return float(F.cross_entropy(logits, labels) + DECAY * matrix[:, :5].square().sum())

    best = torch.from_numpy(minimize(loss, np.zeros(18)).x).reshape(3, 6)
    expected = standardized @ best[:, :5].T + best[:, 5]
    ours = wide @ weight.double().T + bias.double()
    assert torch.allclose(ours.log_softmax(1), expected.log_softmax(1), atol=2e-3)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    features[:, 2] = 5.0
    weight, bias = fit(features, torch.arange(30) % 2, 2)
    assert weight.isfinite().all() and bias.isfinite().all()


def test_only_the_classifier_changes_and_it_learns_the_images(tmp_path: Path) -> None:
    network, split = make_network("cifar/resnet8", image_size=8), make_split(40)
    before = snapshot(network.module)
    fit_to_noise(network, tmp_path)
    after = network.module.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"fc.weight", "fc.bias"}
    right = network.eval()(VIEWS(split.images)).argmax(1) == split.labels
    assert right.double().mean() > 0.9


def test_the_classifiers_of_a_network_with_two_answer_as_the_one_that_was_fitted(tmp_path: Path) -> None:
    network = make_network("timm/deit_tiny_distilled_patch16_224", image_size=32)
    split = make_split(16, size=32)
    views = Augmenter("none", 32).test_views
    cache = ResultCache(tmp_path)
    fit_classifier(network, split, fingerprint="", views=views, device=CPU, result_cache=cache)
    features = network.eval().features(views(split.images))
    weight, bias = fit(features.required_pooled.detach(), split.labels, 4)
    assert torch.allclose(features.logits, features.required_pooled @ weight.T + bias, atol=0.1)


def test_later_jobs_with_the_same_images_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (make_network("cifar/resnet8", image_size=8) for _ in range(2))
    fit_to_noise(first, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(linear_probe, "fit", None)  # fails if it is called
        fit_to_noise(second, tmp_path)
    assert same_weights(first.module.state_dict(), second.module.state_dict())
    fits: list[int] = []
    monkeypatch.setattr(linear_probe, "fit", lambda *given: fits.append(1) or fit(*given))
    fit_to_noise(second, tmp_path, "other images")
    fit_to_noise(make_network("cifar/resnet8", image_size=8, seed=5), tmp_path)
    assert len(fits) == 2
