"""The input of every reader: the tree, the spec, and what was found in the tree so far."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.data.file_kinds import Contents, contents_of
from core.data.layout.classes import Layout
from core.data.layout.pinned import place_all
from core.data.listing import Listing, Record
from core.data.members.found import find_membership
from core.data.members.merging import Membership
from core.data.split_rules import SplitRules
from core.data.tables.choice import Choice, choose_tables
from core.data.tree import Tree
from core.spec import DatasetSpec


@dataclass
class Reading:
    """One dataset that is being read."""

    tree: Tree
    spec: DatasetSpec
    cache: Path
    """For what is unpacked to be read from there."""

    def __post_init__(self) -> None:
        self.rules = SplitRules(self.spec.splits)

    @cached_property
    def contents(self) -> Contents:
        """The tree's loose images, told by their names or first bytes."""
        return contents_of(self.tree)

    @cached_property
    def layout(self) -> tuple[Layout, int]:
        """Class and split of each loose image by its folders, and how many images are ignored. Raises Unclear."""
        return place_all(self.contents.images, self.rules)

    @cached_property
    def choice(self) -> Choice:
        """Whether tables or folders give the classes. Raises DatasetInvalid where neither does."""
        return choose_tables(self)

    def membership(self, records: list[Record]) -> Membership:
        """The splits that lists beside the images give; none where something else gives `records` a split.

        Raises Unclear where lists disagree or cannot be read.
        """
        if any(record.split is not None for record in records):
            return Membership()
        used = [one.table.path for one in (*self.choice.used, *(flat.candidate for flat in self.choice.flat))]
        images = self.choice.images
        return find_membership(self.tree, images, len(self.contents.images), self.choice.unused, self.rules, used)


@dataclass(frozen=True)
class Reader:
    """One format: its name in a spec, whether a dataset looks like it, and how it is read.

    Readers are tried in the order of `precedence`: the first that recognizes the content reads it. Class folders come
    last, because they have the weakest conditions.
    """

    name: str
    precedence: int
    recognizes: Callable[[Reading], bool]
    read: Callable[[Reading], Listing]
