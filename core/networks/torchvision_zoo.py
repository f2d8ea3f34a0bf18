"""torchvision's classifiers by name: built plain, with torchvision's own published weights where asked."""

import re
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision import models
from torchvision.models import Weights, WeightsEnum
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from core.networks.network import InputFormat
from core.networks.published import Published, refused_pickle, unavailable

# Networks that are built for one input size, and the argument that says it.
SIZE_ARGUMENT = {"vit_": "image_size", "maxvit_": "input_size"}
# Their second classifiers serve training from scratch only, and would give the network several outputs.
WITH_AUXILIARY = ("googlenet", "inception_v3")
# They were trained on pixels in [-1, 1]. torchvision hides that in `transform_input`; here the input format says it,
# so that it reaches preprocessing.json and survives a reload.
SIGNED_UNIT = (0.5, 0.5, 0.5)
AUXILIARY_KEYS = ("aux1.", "aux2.", "AuxLogits.")


@cache
def names() -> tuple[str, ...]:
    """All classifiers, sorted."""
    return tuple(sorted(models.list_models(module=models)))


def is_known(name: str) -> bool:
    """Whether torchvision has this classifier."""
    return name in names()


def best_weights(name: str) -> WeightsEnum:
    """The weights that torchvision calls the best for this network."""
    return models.get_model_weights(name).DEFAULT


def canonical(name: str) -> str:
    """The name itself: there is one for each network."""
    return name


def make(
    name: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[nn.Module, int, InputFormat]:
    """The network, the number of classes that it is published with, and its input format.

    With `published` it has the published number of classes whatever `num_classes` says.
    Raises TeacherLoadFailed where the weights may not or cannot be had.
    """
    weights = best_weights(name)
    default_classes = len(weights.meta["categories"])
    input_format = _input_format(name, weights, image_size)
    arguments = _arguments(name, input_format.size)
    classes = default_classes if published or num_classes is None else num_classes
    module = models.get_model(name, weights=None, num_classes=classes, **arguments)
    if published:
        file = published.shelved(f"torchvision/{name}")
        state = load_file(file) if file is not None else _download(name, weights, published)
        module.load_state_dict(_adapted(name, module, state, input_format.size))
    return module, default_classes, input_format


def source(name: str) -> str:
    """The address of torchvision's best weights."""
    return best_weights(name).url


def is_kept(name: str, published: Published) -> bool:
    """Whether torchvision's best weights were downloaded before."""
    folder = published.folder("torchvision") or f"{torch.hub.get_dir()}/checkpoints"
    return (Path(folder) / source(name).rpartition("/")[2]).is_file()


def classes(name: str) -> tuple[str, ...]:
    """The class names of the published weights, in the order of the outputs (ImageNet's repeat a few names)."""
    return tuple(best_weights(name).meta["categories"])


def _input_format(name: str, weights: Weights, image_size: int | None) -> InputFormat:
    preset = weights.transforms()
    mode: Literal["bilinear", "bicubic"] = "bicubic" if preset.interpolation.value == "bicubic" else "bilinear"
    size = image_size or preset.crop_size[0]
    if name in WITH_AUXILIARY:
        return InputFormat(size, SIGNED_UNIT, SIGNED_UNIT, mode)
    return InputFormat(size, tuple(preset.mean), tuple(preset.std), mode)


def _arguments(name: str, size: int) -> dict[str, Any]:
    for prefix, argument in SIZE_ARGUMENT.items():
        if name.startswith(prefix):
            return {argument: (size, size) if argument == "input_size" else size}
    if name in WITH_AUXILIARY:
        return {"aux_logits": False, "transform_input": False, "init_weights": True}
    return {}


def _download(name: str, weights: WeightsEnum, published: Published) -> dict[str, torch.Tensor]:
    if not published.policy.pickled_weights:
        raise refused_pickle(f"torchvision/{name}")
    folder = {"model_dir": published.folder("torchvision")}
    try:
        return weights.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True, **folder)
    except (OSError, RuntimeError) as error:  # unreachable, or a download whose hash is wrong
        raise unavailable(f"torchvision/{name} ({weights})", weights.url, str(error)) from error


def _adapted(name: str, module: nn.Module, state: dict[str, torch.Tensor], size: int) -> dict[str, torch.Tensor]:
    """The published state as this module wants it; the position embedding of a ViT is resized to the image size."""
    state = current_names(name, state)
    if isinstance(module, VisionTransformer):
        own = module.encoder.get_parameter("pos_embedding")
        if state["encoder.pos_embedding"].shape != own.shape:
            return dict(interpolate_embeddings(size, module.patch_size, OrderedDict(state)))
    return state


def current_names(name: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A torchvision checkpoint without auxiliary classifiers, and with today's names of DenseNet's layers."""
    if name.startswith("densenet"):
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): value for key, value in state.items()}
    if name in WITH_AUXILIARY:
        return {key: value for key, value in state.items() if not key.startswith(AUXILIARY_KEYS)}
    return state
