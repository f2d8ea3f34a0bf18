"""A linear probe: the classifier of a network, fitted to labelled images while all other layers stay as they are.

Multinomial logistic regression on the pooled features of the images' test views. As the start of a fine-tuning it
keeps the given features from being distorted by a random classifier (LP-FT: Kumar et al., ICLR 2022).
"""

from collections.abc import Callable

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.dataset import Split
from core.evaluation.predict import Views, predict
from core.files.result_cache import ResultCache, content_address
from core.networks.classifier import as_classifier, width
from core.networks.head import without_classifier
from core.networks.inference import frozen_copy, in_layout
from core.networks.network import Network
from core.system.device import images_at_once

KIND = "linear-probe"
_FORM = 1  # increased whenever a change of the code changes the fit: part of every cache address
# Of the squared weights, for features of unit variance; 0.003 to 0.03 give the same accuracy
# (docs/explanation/photographs.md).
DECAY = 0.01
ITERATIONS = 100
LEAST_DEVIATION = 0.01  # of the mean deviation: a feature that hardly varies must not be blown up
PORTIONS = 4  # forward passes between two polls


def fit_classifier(
    network: Network,
    split: Split,
    *,
    fingerprint: str,
    views: Views,
    device: torch.device,
    result_cache: ResultCache,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Fit the network's classifier, in place, to the labels of `split`.

    `fingerprint` identifies the images and labels, for the cache: later jobs with the same network and images share
    the result. `poll` is called now and then while the features are computed, and may raise.
    """
    facts = {"form": _FORM, "images": fingerprint, "size": network.input.size, "architecture": network.architecture}
    facts |= {"classes": network.num_classes, "device": device.type, "torch": torch.__version__}
    address = content_address(facts, without_classifier(network))
    content = result_cache.recall(KIND, address)
    if content is None:
        features = _features(network, split, views, device, poll)
        weight, bias = fit(features, split.labels, network.num_classes)
        result_cache.keep(KIND, address, save({"weight": weight, "bias": bias}))
    else:
        stored = load(content)
        weight, bias = stored["weight"], stored["bias"]
    _put(network, weight, bias)


def fit(features: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,), float32, of the logistic regression from features (N, D) to labels (N,).

    It minimizes the mean cross entropy plus DECAY times the squared weights of the standardized features.
    """
    mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0)
    deviation = deviation.clamp(min=max(LEAST_DEVIATION * deviation.mean().item(), 1e-12))
    standardized = (features - mean) / deviation
    weight = torch.zeros(num_classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(standardized @ weight.T + bias, labels) + DECAY * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # torch does not annotate it
    with torch.no_grad():
        scaled = weight / deviation
        return scaled, bias - scaled @ mean


class _Pooled(nn.Module):
    """The pooled features of a network, as the output of a module."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, V, V) pixels in [0, 1] -> (N, D)."""
        return self.network.features(pixels, ()).required_pooled


def _features(network: Network, split: Split, views: Views, device: torch.device, poll: Callable[[], None]) -> Tensor:
    """(N, D) float32 on the CPU, from the network in eval mode."""
    pooled = _Pooled(in_layout(frozen_copy(network).to(device)))
    at_once = PORTIONS * images_at_once(split.images.shape[-1], device)
    found = []
    for start in range(0, len(split.labels), at_once):
        poll()
        found.append(predict(pooled, split.images[start : start + at_once], views=views, device=device).clone())
    return torch.cat(found)


def _put(network: Network, weight: Tensor, bias: Tensor) -> None:
    """Give the classifier these weights; several classifiers, whose outputs are averaged, share them."""
    heads = [as_classifier(network.module.get_submodule(path)) for path in network.classifier_paths]
    with torch.no_grad():
        for head, part in zip(heads, weight.split([width(head) for head in heads], dim=1), strict=True):
            head.weight.copy_(len(heads) * part.reshape(head.weight.shape))
            if head.bias is not None:
                head.bias.copy_(bias)
