"""The folders that hold images, as a tree of nodes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass
class Node:
    """One folder: the images in it, and the folders in it that hold images at any depth."""

    name: str
    path: str
    images: list[str] = field(default_factory=list)
    children: dict[str, "Node"] = field(default_factory=dict)

    @property
    def is_flat(self) -> bool:
        """Whether it has images, and no folder with images."""
        return bool(self.images) and not self.children

    @property
    def is_nested(self) -> bool:
        """Whether all its images are in folders below it."""
        return bool(self.children) and not self.images

    def walk(self) -> Iterator[str]:
        """All images below, in the order of their paths."""
        yield from sorted(self._below())

    def _below(self) -> Iterator[str]:
        yield from self.images
        for child in self.children.values():
            yield from child._below()

    @property
    def num_images(self) -> int:
        """Images at any depth."""
        return sum(1 for _ in self._below())


def nodes(images: Iterable[str]) -> Node:
    """The root above `images`, which are paths with forward slashes."""
    root = Node("", "")
    for path in images:
        node = root
        *folders, _ = path.split("/")
        for name in folders:
            below = f"{node.path}/{name}" if node.path else name
            node = node.children.setdefault(name, Node(name, below))
        node.images.append(path)
    return root
