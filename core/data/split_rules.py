"""What `dataset.splits` decides: patterns of paths and names, each mapped to a split or to `ignore`."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.errors import DatasetInvalid
from core.spec import SplitTarget

_WILDCARDS = re.compile(r"(\*\*|\*|\?|\[[^\]/]+\])")
MOST_LISTED = 12


@dataclass(frozen=True)
class Match:
    """The target of a path, and how many parts of the path the pattern covered (all of them: the file itself)."""

    target: SplitTarget
    depth: int


@dataclass
class SplitRules:
    """The patterns of a spec in their order; it remembers which of them matched."""

    splits: Mapping[str, SplitTarget] | None
    _used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._patterns = [(pattern, _compiled(pattern), target) for pattern, target in (self.splits or {}).items()]

    @property
    def reads_names(self) -> bool:
        """Whether names that no pattern matches tell splits; `splits: {}` says that they do not."""
        return self.splits is None or bool(self.splits)

    @property
    def names_validation(self) -> bool:
        """Whether the user called something a validation split, which then stays one."""
        return any(target == "validation" for _, _, target in self._patterns)

    def match(self, path: str) -> Match | None:
        """What the first pattern that matches `path`, or a folder around it, says."""
        if not self._patterns:
            return None
        path = unicodedata.normalize("NFC", path)
        for pattern, expression, target in self._patterns:
            found = expression.search(path)
            if found:
                self._used.add(pattern)
                return Match(target, path.count("/", 0, found.end()) + 1)
        return None

    def check_used(self, where: str, paths: Iterable[str]) -> None:
        """Raise DatasetInvalid for a pattern that matched none of `paths` and nothing that a reader asked for."""
        paths = tuple(paths)
        for path in paths:
            self.match(path)
        unused = next((pattern for pattern, _, _ in self._patterns if pattern not in self._used), None)
        if unused is None:
            return
        there = sorted({"/".join(path.split("/")[:2]) for path in paths})
        more = f" and {len(there) - MOST_LISTED} more" if len(there) > MOST_LISTED else ""
        raise DatasetInvalid(
            f"the pattern {unused!r} of dataset.splits matches nothing in {where!r}; it holds "
            f"{', '.join(map(repr, there[:MOST_LISTED])) or 'nothing'}{more}",
            hint="a pattern is a path below the dataset or one name anywhere in it; *, ? and [...] are wildcards, and "
            "an earlier pattern that matches the same files takes them",
            pointer="/dataset/splits/" + unused.replace("~", "~0").replace("/", "~1"),
        )


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as an expression that finds it at whole parts of a path; one that starts with a slash, at its start."""
    text = unicodedata.normalize("NFC", pattern).removeprefix("./")
    start = "^" if text.startswith("/") else "(?:^|(?<=/))"
    pieces = _WILDCARDS.split(text.strip("/"))
    return re.compile(start + "".join(map(_piece, pieces)) + "(?=/|$)", re.DOTALL)


def _piece(text: str) -> str:
    if text in ("**", "*", "?"):
        return {"**": ".*", "*": "[^/]*", "?": "[^/]"}[text]
    if text.startswith("[") and text.endswith("]") and len(text) > 2:
        inside = text[1:-1]
        negated, kept = ("^", inside[1:]) if inside[0] in "!^" else ("", inside)
        return f"[{negated}{re.escape(kept).replace(chr(92) + '-', '-')}]"
    return re.escape(text)
