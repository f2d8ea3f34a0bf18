"""A network with two classifiers on the same features, whose outputs are mixed as probabilities (method dho).

In the place of the classifier stands a `MixedHead`: a label head and a distillation head, each a copy of the
classifier's kind. It gives log((1 - share) softmax(z_label) + share softmax(z_distillation / temperature)), so that a
softmax of the network's outputs is the mixture itself, and everything that reads logits works on. `share` and
`temperature` are part of the weights.
"""

import copy

import torch
from torch import Tensor, nn

from core.networks.network import Network
from core.spec.two_heads import name_two_heads

LABEL, DISTILLATION = "label", "distillation"


class MixedHead(nn.Module):
    """Features as the classifier reads them -> log-probabilities (N, K, ...) of the mixture."""

    share: Tensor
    temperature: Tensor

    def __init__(self, classifier: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.label = copy.deepcopy(classifier)
        self.distillation = copy.deepcopy(classifier)
        self.register_buffer("share", torch.tensor(0.5))
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, features: Tensor) -> Tensor:
        """log((1 - share) softmax(label) + share softmax(distillation / temperature)) along dimension 1."""
        label = self.label(features).float().log_softmax(dim=1) + torch.log1p(-self.share)
        distilled = (self.distillation(features).float() / self.temperature).log_softmax(dim=1) + self.share.log()
        return torch.logsumexp(torch.stack([label, distilled]), dim=0)


def with_two_heads(network: Network) -> Network:
    """The network with a MixedHead in the place of its classifier, whose two heads begin with its weights.

    `network.module` is changed. A network that has two heads already is returned as it is.
    """
    if is_two_headed(network):
        return network
    head = MixedHead(network.classifier).train(network.training).to(network.classifier.weight.device)
    network.module.set_submodule(network.classifier_path, head)
    return Network(
        network.module,
        architecture=name_two_heads(network.architecture),
        num_classes=network.num_classes,
        input=network.input,
    )


def is_two_headed(network: Network) -> bool:
    """Whether a MixedHead gives the outputs."""
    return any(isinstance(part, MixedHead) for part in network.module.modules())
