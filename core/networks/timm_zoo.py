"""timm's classifiers by name (`resnet10t`, or with a tag `vit_tiny_patch16_224.augreg_in21k_ft_in1k`).

Only names of timm's own registry are accepted, so that nothing like `hf-hub:` or `local-dir:` can name foreign code or
files; timm reads its published weights as safetensors, or under torch's weights_only.
"""

from functools import cache
from typing import Any, Literal

import timm
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from timm.data import ImageNetInfo, infer_imagenet_subset
from timm.models import PretrainedCfg
from torch import Tensor, nn

from core.errors import RetortError
from core.networks.network import InputFormat
from core.networks.published import Published, refused_pickle, unavailable

DEFAULT_CLASSES = 1000
SAFE_FILE = "model.safetensors"


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


def canonical(name: str) -> str:
    """The name without its tag, where the tag is the one that timm takes where none is written."""
    base, dot, tag = name.partition(".")
    config = config_of(base) if dot else None
    return base if config is not None and config.tag == tag else name


def config_of(name: str) -> PretrainedCfg | None:
    """timm's record of the weights that the name means (its default tag where none is written), or None."""
    return timm.get_pretrained_cfg(name)


def make(
    name: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[nn.Module, int, InputFormat]:
    """The network, the number of classes that it is published with, and its input format.

    With `published` it has the published number of classes whatever `num_classes` says.
    Raises TeacherLoadFailed where there are no published weights or they cannot be had.
    """
    config = config_of(name)
    default_classes = (config and config.num_classes) or DEFAULT_CLASSES
    classes = default_classes if published or num_classes is None else num_classes
    arguments = {"num_classes": classes}
    if published is None:
        module = _create(name, image_size, config, arguments)
    else:
        module = _with_weights(name, image_size, config, arguments, published)
    return module, default_classes, _input_format(module, image_size)


def _create(name: str, image_size: int | None, config: PretrainedCfg | None, arguments: dict[str, Any]) -> nn.Module:
    is_own_size = image_size is None or (config is not None and config.input_size[-1] == image_size)
    if not is_own_size:
        try:
            return timm.create_model(name, **arguments, img_size=image_size)
        except TypeError:
            pass  # convolutional: takes any size and knows no such argument
    return timm.create_model(name, **arguments)


def _with_weights(
    name: str, image_size: int | None, config: PretrainedCfg | None, arguments: dict[str, Any], published: Published
) -> nn.Module:
    folder, shelved = published.folder("timm"), published.shelved(f"timm/{canonical(name)}")
    if shelved is None and (config is None or not config.has_weights):
        raise unavailable(f"timm/{name}", "timm", "it publishes none")
    arguments = arguments | {"pretrained": True, "cache_dir": folder}
    try:
        if safe := str(shelved) if shelved is not None else _safe_file(config, folder):
            arguments["pretrained_cfg_overlay"] = {"file": safe, "hf_hub_id": None, "url": "", "custom_load": False}
        elif not published.policy.pickled_weights:
            raise refused_pickle(f"timm/{name}")
        return _create(name, image_size, config, arguments)
    except RetortError:
        raise
    except Exception as error:  # the hub's client raises many kinds
        raise unavailable(f"timm/{name}", source(name) or "timm", _root(error)) from error


def _safe_file(config: PretrainedCfg | None, folder: str | None) -> str | None:
    """The safetensors file of these weights, downloaded, or None where the hub has only a pickle."""
    if config is None or config.hf_hub_id is None or config.hf_hub_filename not in (None, SAFE_FILE):
        return None
    try:
        return hf_hub_download(config.hf_hub_id, SAFE_FILE, cache_dir=folder)
    except LocalEntryNotFoundError:  # a kind of EntryNotFoundError that means: the hub did not answer
        raise
    except EntryNotFoundError:
        return None


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def _input_format(module: nn.Module, image_size: int | None) -> InputFormat:
    config = timm.data.resolve_model_data_config(module)
    mode: Literal["bilinear", "bicubic"] = "bicubic" if config["interpolation"] == "bicubic" else "bilinear"
    size = image_size or config["input_size"][-1]
    return InputFormat(size, tuple(config["mean"]), tuple(config["std"]), mode)


def current_names(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A timm checkpoint as it is: timm itself renames what it downloads, and its files have today's names."""
    return state


def source(name: str) -> str | None:
    """The address of the weights that the name means: a repository of the Hugging Face hub, or a file."""
    config = config_of(name)
    if config is None or not config.has_weights:
        return None
    if config.hf_hub_id:
        return f"https://huggingface.co/{config.hf_hub_id}"
    # timm writes some addresses with a second part: the file inside what is downloaded.
    return config.url[0] if isinstance(config.url, tuple) else config.url


def is_kept(name: str, published: Published) -> bool:
    """Whether the hub's safetensors file was downloaded before."""
    config = config_of(name)
    if config is None or config.hf_hub_id is None:
        return False
    kept = try_to_load_from_cache(config.hf_hub_id, SAFE_FILE, cache_dir=published.folder("timm"))
    return isinstance(kept, str)


def classes(name: str) -> tuple[str, ...] | None:
    """The class names of the published weights in the order of the outputs, or None where timm does not know them."""
    config = config_of(name)
    if config is None:
        return None
    if config.label_names:
        return tuple(config.label_names)
    subset = infer_imagenet_subset(config.to_dict())
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return tuple(info.index_to_description(index) for index in range(info.num_classes()))
