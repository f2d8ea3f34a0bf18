"""timm's classifiers by name (`resnet10t`, or with a tag `vit_tiny_patch16_224.augreg_in21k_ft_in1k`).

Only names of timm's own registry are accepted, so that nothing like `hf-hub:` or `local-dir:` can name foreign code or
files; timm reads its published weights as safetensors, or under torch's weights_only.
"""

from functools import cache
from typing import Any

import timm
from timm.data import ImageNetInfo, infer_imagenet_subset
from timm.models import PretrainedCfg
from torch import nn

from core.errors import TeacherLoadFailed
from core.networks.network import InputFormat

DEFAULT_CLASSES = 1000


@cache
def names() -> tuple[str, ...]:
    """All architectures, sorted, without weight tags."""
    return tuple(timm.list_models())


@cache
def pretrained_names() -> tuple[str, ...]:
    """Architecture.tag of all published weights, sorted."""
    return tuple(timm.list_pretrained())


def is_known(name: str) -> bool:
    """Whether timm has this architecture; a tag must be one of its published weights."""
    return name in _all_names()


@cache
def _all_names() -> frozenset[str]:
    return frozenset(names()) | frozenset(pretrained_names())


def published(name: str) -> PretrainedCfg | None:
    """timm's record of the weights that the name means (its default tag where none is written), or None."""
    return timm.get_pretrained_cfg(name)


def make(
    name: str, num_classes: int | None, image_size: int | None, pretrained: bool
) -> tuple[nn.Module, int, InputFormat]:
    """The network, the number of classes that it is published with, and its input format.

    With `pretrained` it has the published number of classes whatever `num_classes` says.
    Raises TeacherLoadFailed where there are no published weights or they cannot be had.
    """
    config = published(name)
    default_classes = (config and config.num_classes) or DEFAULT_CLASSES
    classes = default_classes if pretrained or num_classes is None else num_classes
    module = _create(name, classes, image_size, config, pretrained)
    return module, default_classes, _input_format(module, image_size)


def _create(
    name: str, classes: int, image_size: int | None, config: PretrainedCfg | None, pretrained: bool
) -> nn.Module:
    arguments: dict[str, Any] = {"num_classes": classes, "pretrained": pretrained}
    if pretrained and (config is None or not config.has_weights):
        raise _failed(name, config, "timm publishes none")
    resized = {} if image_size is None or (config and config.input_size[-1] == image_size) else {"img_size": image_size}
    try:
        try:
            return timm.create_model(name, **arguments, **resized)
        except TypeError:
            if not resized:
                raise
            return timm.create_model(name, **arguments)  # convolutional: takes any size, knows no `img_size`
    except Exception as error:  # the hub's client raises many kinds
        if not pretrained:
            raise
        raise _failed(name, config, f"{type(error).__name__}: {error}") from error


def _failed(name: str, config: PretrainedCfg | None, why: str) -> TeacherLoadFailed:
    source = (config and (config.hf_hub_id or config.url)) or "timm"
    return TeacherLoadFailed(
        f"the published weights of timm/{name} could not be had from {source}: {why}",
        hint="check the network of the machine that runs the engine, or give the weights as a file",
        pointer="/teacher/architecture",
    )


def _input_format(module: nn.Module, image_size: int | None) -> InputFormat:
    config = timm.data.resolve_model_data_config(module)
    mode = "bicubic" if config["interpolation"] == "bicubic" else "bilinear"
    size = image_size or config["input_size"][-1]
    return InputFormat(size, tuple(config["mean"]), tuple(config["std"]), mode)


def classes(name: str) -> tuple[str, ...] | None:
    """The class names of the published weights in the order of the outputs, or None where timm does not know them."""
    config = published(name)
    if config is None:
        return None
    if config.label_names:
        return tuple(config.label_names)
    subset = infer_imagenet_subset(config.to_dict())
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return tuple(info.index_to_description(index) for index in range(info.num_classes()))
