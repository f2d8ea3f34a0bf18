"""A pruned network that is filled from the whole one: near to what that says, and shared through the cache."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from core.data.augment import Augmenter
from core.evaluation import pruning
from core.evaluation.pruning import prune_to_images
from core.files.result_cache import ResultCache
from core.networks.network import Network
from tests.core.tiny import make_network, make_split, same_weights, snapshot

VIEWS = Augmenter("none", 32).test_views
SPLIT = make_split(24, size=32)
MOST = 300


@pytest.fixture(scope="module")
def whole() -> Network:
    """A network whose batch norms know the images."""
    network = make_network("cifar/mobilenetv2")
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        network.train()(VIEWS(SPLIT.images))
    return network.eval()


def pruned(whole: Network, cache: Path) -> Network:
    student = make_network(f"cifar/mobilenetv2+pruned{MOST}", seed=3)
    prune_to_images(
        student,
        copy.deepcopy(whole),
        MOST,
        SPLIT,
        fingerprint="these images",
        views=VIEWS,
        device=torch.device("cpu"),
        result_cache=ResultCache(cache),
    )
    return student.eval()


def pooled(network: Network) -> torch.Tensor:
    with torch.no_grad():
        return network.features(VIEWS(SPLIT.images), ()).required_pooled


def test_its_features_are_nearly_those_of_the_whole_network(whole: Network, tmp_path: Path) -> None:
    classifier = copy.deepcopy(make_network(f"cifar/mobilenetv2+pruned{MOST}", seed=3).classifier)
    student = pruned(whole, tmp_path)
    error = (pooled(student) - pooled(whole)).square().sum() / (pooled(whole) - pooled(whole).mean(0)).square().sum()
    assert error < 0.01
    assert torch.equal(student.classifier.weight, classifier.weight), "the classifier stays"


def test_a_later_job_shares_the_result(whole: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = snapshot(pruned(whole, tmp_path).module)

    def refuse(*_: object) -> None:
        raise AssertionError("pruned again")

    monkeypatch.setattr(pruning, "_prune", refuse)
    assert same_weights(first, snapshot(pruned(whole, tmp_path).module))
