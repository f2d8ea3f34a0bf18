"""The libraries of networks. Each is imported when it is first needed, because it takes half a second and 100 MB."""

import importlib
from typing import Protocol, cast

from torch import Tensor, nn

from core.networks.network import InputFormat
from core.networks.published import Published

_MODULES = {
    "torchvision": "core.networks.torchvision_zoo",
    "timm": "core.networks.timm_zoo",
    "tensorflow": "core.networks.tensorflow_zoo",
}
LIBRARIES = tuple(_MODULES)


class Library(Protocol):
    """What the module of each library offers; a name is the library's own, without the prefix."""

    def names(self) -> tuple[str, ...]:
        """All architectures, sorted."""

    def is_known(self, name: str) -> bool:
        """Whether the library has this architecture."""

    def canonical(self, name: str) -> str:
        """The name in its shortest form; names with the same canonical name have the same published weights."""

    def make(
        self, name: str, num_classes: int | None, image_size: int | None, published: Published | None
    ) -> tuple[nn.Module, int, InputFormat]:
        """The network, the number of classes that it is published with, and its input format."""

    def source(self, name: str) -> str | None:
        """The address from which the published weights are downloaded, or None where there is none."""

    def is_kept(self, name: str, published: Published) -> bool:
        """Whether an earlier download of the published weights is on this machine."""

    def classes(self, name: str) -> tuple[str, ...] | None:
        """The class names of the published weights in the order of the outputs, or None where they are not known."""

    def current_names(self, name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint of this architecture with the names that the library uses today."""


def load(prefix: str) -> Library:
    """The library of a prefix that is in LIBRARIES; raises KeyError for any other."""
    return cast(Library, importlib.import_module(_MODULES[prefix]))


def library(prefix: str) -> Library | None:
    """The library of a prefix, or None where no library has it."""
    return load(prefix) if prefix in _MODULES else None
