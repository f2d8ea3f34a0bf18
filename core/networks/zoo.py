"""Every network by name: `cifar/<name>` (ours), `torchvision/<name>`, `timm/<name>`, `tensorflow/<name>`, each also
with fewer expanded channels (core.spec.pruned), with a projector and its teachers' classifier behind it
(core.spec.projected), or with two classifiers (core.spec.two_heads).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from core.errors import ArchitectureUnknown, RetortError, SpecInvalid, unknown
from core.networks import cifar
from core.networks.head import replace_head, slice_head
from core.networks.libraries import LIBRARIES, library, load
from core.networks.network import InputFormat, Network
from core.networks.projected import project
from core.networks.pruned import prune_evenly
from core.networks.published import Published, unpublished
from core.networks.two_heads import with_two_heads
from core.policy import Policy
from core.spec.projected import split_projected
from core.spec.pruned import split_pruned
from core.spec.two_heads import MARK, split_two_heads

__all__ = ["architectures", "build", "replace_head", "slice_head"]

CIFAR_SIZE = 32
# The default number of classes of `cifar/` networks; the libraries have their own.
CIFAR_CLASSES = 100


def architectures() -> list[str]:
    """All names that can be listed; `cifar/` also accepts every other valid depth and width."""
    return [
        *(f"cifar/{name}" for name in cifar.names()),
        *(f"{prefix}/{name}" for prefix in LIBRARIES for name in load(prefix).names()),
    ]


def build(
    architecture: str,
    num_classes: int | None = None,
    *,
    image_size: int | None = None,
    pretrained: bool = False,
    policy: Policy | None = None,
    cache: Path | None = None,
) -> Network:
    """The network of this name, randomly initialized from the current random state, or with published weights.

    `num_classes` None: as the library publishes it (100 for `cifar/`). `image_size` None: the size it was made for.
    With `pretrained` and another number of classes the classifier is fresh and the rest is published; `policy` and
    `cache` say whether pickled files may be read and where downloads are kept.
    Raises ArchitectureUnknown, TeacherLoadFailed where published weights cannot be had, and SpecInvalid where the
    network does not run at this size.
    """
    published = Published(policy or Policy(), cache) if pretrained else None
    module, default_classes, input_format = make(architecture, num_classes, image_size, published)
    built_classes = default_classes if pretrained or num_classes is None else num_classes
    network = _wrap(module, architecture, built_classes, input_format)
    return network if num_classes in (None, built_classes) else replace_head(network, num_classes)


def make(
    architecture: str, num_classes: int | None, image_size: int | None, published: Published | None = None
) -> tuple[torch.nn.Module, int, InputFormat]:
    """The plain module, the number of classes that it is published with, and its input format; see `build`."""
    if not is_known(architecture):
        raise ArchitectureUnknown(unknown("architecture", architecture, architectures()))
    base, has_two_heads = split_two_heads(architecture)
    if has_two_heads:
        return _with_two_heads(base, num_classes, image_size, published)
    base, projections = split_projected(architecture)
    if not projections:
        return _of_library(architecture, num_classes, image_size, published)
    if published:
        raise unpublished(architecture)
    encoder = build(base, image_size=image_size)  # with the number of outputs of its library
    default_classes = encoder.num_classes
    network = project(encoder, projections, num_classes or default_classes)
    return network.module, default_classes, network.input


def _of_library(
    architecture: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[torch.nn.Module, int, InputFormat]:
    """A network of a library, whole or pruned."""
    whole, most = split_pruned(architecture)
    prefix, _, name = whole.partition("/")
    maker = _cifar if prefix == "cifar" else load(prefix).make
    module, default_classes, input_format = maker(name, num_classes, image_size, published)
    if most is not None:
        prune_evenly(module, most, architecture)
    return module, default_classes, input_format


def _with_two_heads(
    base: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[torch.nn.Module, int, InputFormat]:
    if published:
        raise unpublished(f"{base}{MARK}")
    network = with_two_heads(build(base, num_classes, image_size=image_size))
    return network.module, network.num_classes, network.input


def outline(architecture: str, num_classes: int | None = None, *, image_size: int | None = None) -> Network:
    """The network on the meta device, for its shapes and cost; a real network if it cannot be built there."""
    try:
        with torch.device("meta"):
            return build(architecture, num_classes, image_size=image_size)
    except (NotImplementedError, RuntimeError, SpecInvalid):  # RegNet's constructor reads values, some forwards too
        return build(architecture, num_classes, image_size=image_size)


def canonical(architecture: str) -> str:
    """The shortest name of an architecture: without the tag of timm's default weights."""
    prefix, _, name = architecture.partition("/")
    zoo = library(prefix)
    return f"{prefix}/{zoo.canonical(name)}" if zoo is not None else architecture


def is_known(architecture: str) -> bool:
    """Whether `build` knows the name."""
    base, has_two_heads = split_two_heads(architecture)
    if has_two_heads:
        return is_known(base)
    try:
        architecture, projections = split_projected(architecture)
    except ValueError:
        return False
    if projections:
        return is_known(architecture)
    prefix, _, name = split_pruned(architecture)[0].partition("/")
    if prefix == "cifar":
        return cifar.maker(name) is not None
    zoo = library(prefix)
    return zoo is not None and zoo.is_known(name)


def _wrap(module: torch.nn.Module, architecture: str, num_classes: int, input_format: InputFormat) -> Network:
    try:
        return Network(module, architecture=architecture, num_classes=num_classes, input=input_format)
    except RetortError:
        raise
    except Exception as error:  # libraries raise many kinds of errors for a size that they do not support
        size = input_format.size
        why = f"{architecture} does not run on {size} x {size} pixels: {error}"
        raise SpecInvalid(
            [("/training/image_size", f"{why}. Choose another size, or a network made for it")]
        ) from error


def _cifar(
    name: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[torch.nn.Module, int, InputFormat]:
    maker = cifar.maker(name)
    if maker is None:
        raise ArchitectureUnknown(unknown("architecture", f"cifar/{name}", architectures()))
    module = maker(CIFAR_CLASSES if published else num_classes or CIFAR_CLASSES)
    if published:
        file = published.shelved(f"cifar/{name}")
        if file is None:
            raise unpublished(f"cifar/{name}")
        module.load_state_dict(load_file(file))
    mean, std = cifar.statistics(name)
    return module, CIFAR_CLASSES, InputFormat(image_size or CIFAR_SIZE, mean, std)
