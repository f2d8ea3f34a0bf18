"""The networks of the CIFAR distillation literature, written for inputs of about 32x32. One file a family.

Parameter names follow the public checkpoints of these families (the 16-32-64 ResNets, RepDistiller's zoo), so that such
files load as they are.
"""

import re
from collections.abc import Callable

from torch import nn

from core.networks.cifar import mobilenetv2, resnet, shufflenetv1, shufflenetv2, vgg, wideresnet

FAMILIES = (resnet, wideresnet, vgg, mobilenetv2, shufflenetv1, shufflenetv2)

# The statistics that the public CIFAR-100 checkpoints were trained with; the option-A ones used ImageNet's.
CIFAR_MEAN, CIFAR_STD = (0.5070, 0.4865, 0.4409), (0.2673, 0.2564, 0.2761)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def names() -> list[str]:
    """The names that catalogues list. ResNets and wide ResNets also exist for every other valid depth."""
    return [name for family in FAMILIES for name in family.NAMES]


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The function that builds the network of this name for a number of classes; None if no family has the name."""
    return next((make for family in FAMILIES if (make := family.maker(name))), None)


def statistics(name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation of the inputs that the network's public weights expect."""
    option_a = re.fullmatch(r"resnet\d+a", name)
    return (IMAGENET_MEAN, IMAGENET_STD) if option_a else (CIFAR_MEAN, CIFAR_STD)
