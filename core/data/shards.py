"""Files of many images (parquet, shards): which split each is, and whether all of them are one dataset."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence

from core.data.layout.siblings import Unclear
from core.data.listing import SplitName
from core.data.split_names import WORDS, split_of_path, split_word, words_of
from core.data.split_rules import SplitRules

# Words of file names and folders that tell no configuration.
_NEUTRAL = frozenset({"data", "of", "part", "shard", "shards", "default", "partial", "snappy", "parquet", "tar"})
MOST_LISTED = 6


def split_files(paths: Sequence[str], rules: SplitRules) -> dict[str, SplitName | None]:
    """Each file that is used -> its split: by dataset.splits, else by the split word in its name or folder.

    Raises Unclear where some names tell a split and some do not, where two words mean one split, and where the names
    are those of several configurations of one repository.
    """
    splits: dict[str, SplitName | None] = {}
    told: list[str] = []
    for path in paths:
        match = rules.match(path)
        if match is None:
            splits[path] = split_of_path(_stem(path)) if rules.reads_names else None
            told.append(path)
        elif match.target != "ignore":
            splits[path] = match.target
    if rules.reads_names:
        _check_all_told([path for path in told if splits[path] is not None], told)
        _check_one_word({path: split for path in told if (split := splits[path]) is not None})
    _check_one_configuration({path: splits[path] for path in told})
    return splits


def _stem(path: str) -> str:
    return posixpath.splitext(path)[0]


def _check_all_told(with_split: list[str], paths: list[str]) -> None:
    odd = [path for path in paths if path not in with_split]
    several = next((path for path in odd if len({WORDS[w] for w in words_of(_name(path)) if w in WORDS}) > 1), None)
    if several is not None:
        raise Unclear(f"the name of {several!r} tells several splits")
    if with_split and odd:
        raise Unclear(
            f"the names of {_listed(with_split)} tell a split, and {_listed(odd)} "
            f"{'do' if len(odd) > 1 else 'does'} not"
        )


def _check_one_word(splits: dict[str, SplitName]) -> None:
    words: dict[SplitName, dict[str, str]] = defaultdict(dict)
    for path, split in splits.items():
        for part in reversed(_stem(path).split("/")):
            word = split_word(part)
            if word is not None:
                words[split].setdefault(word.word, path)
                break
    for split, found in words.items():
        if len(found) > 1:
            raise Unclear(f"both {_listed(list(found.values()))} could be the {split} split")


def _name(path: str) -> str:
    return posixpath.basename(_stem(path))


def _check_one_configuration(splits: dict[str, SplitName | None]) -> None:
    """Files are one dataset where folders and names differ by split and number alone, or hold different splits."""
    groups: dict[tuple[str, str], set[SplitName | None]] = defaultdict(set)
    for path, split in splits.items():
        folder = "/".join(filter(None, (_signature(part) for part in posixpath.dirname(path).split("/"))))
        # Without a split word a name may be anything: only folders tell.
        groups[folder, _signature(_name(path)) if split is not None else ""].add(split)
    counted = [split for found in groups.values() for split in found]
    if len(groups) < 2 or len(counted) == len(set(counted)):
        return
    names = [f"{folder}/{name}" if folder and name else folder or name or "." for folder, name in groups]
    raise Unclear(
        f"the files are of several configurations: {', '.join(map(repr, sorted(names)[:MOST_LISTED]))}",
        hint="give the URI of one of them, or leave the others out in dataset.splits, as in "
        f'{{"{sorted(names)[0]}*": "ignore"}}',
    )


def _signature(name: str) -> str:
    """A name without split words, numbers and words that all repositories use; `key=value` folders say nothing."""
    if "=" in name:
        return ""
    kept = (w for w in words_of(name) if w not in WORDS and w not in _NEUTRAL and not w.isdecimal() and len(w) > 1)
    return "-".join(kept)


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_LISTED} more" if len(paths) > MOST_LISTED else ""
    return ", ".join(map(repr, paths[:MOST_LISTED])) + more
