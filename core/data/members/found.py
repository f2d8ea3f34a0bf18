"""Which files beside the images list the members of splits: by their names, their columns, or their JSON keys."""

import json
import posixpath
from collections.abc import Iterator, Sequence
from functools import partial

from core.data.file_kinds import extension, looks_like_image
from core.data.layout.siblings import SIDE_WORDS, UNLABELLED_WORDS, Unclear
from core.data.members import id_tables, split_columns
from core.data.members.json_lists import entry_of, lists_in
from core.data.members.merging import Membership, merged, way_out
from core.data.members.split_list import SplitList, looked_up, names_image
from core.data.members.text_lists import text_entries
from core.data.split_names import SplitWord, split_word, words_of
from core.data.split_rules import SplitRules
from core.data.tables.candidates import FOREIGN, MOST_IN_A_FOLDER, PLACEHOLDERS, Candidate
from core.data.tables.encoding import read_json, read_lines
from core.data.tables.image_index import ImageIndex
from core.data.tables.table import FORMS
from core.data.tree import Tree
from core.errors import DatasetInvalid

MOST_LISTS = 128
FEW = 0.5  # of the entries of a file with other words in its name, from which it is a list of images
_OTHER_FILES = SIDE_WORDS | UNLABELLED_WORDS | PLACEHOLDERS | frozenset({"loss", "metrics", "scores", "history"})


def find_membership(tree: Tree, images: ImageIndex, num_images: int, tables: Sequence[Candidate], rules: SplitRules,
                    used: Sequence[str]) -> Membership:  # fmt: skip
    """The splits that lists in `tree` give; `tables` are tables beside the images whose classes are not used, `used`
    files that are read otherwise.

    Raises Unclear for lists that disagree, and for a list that certainly tells splits and cannot be read.
    """
    if images.is_empty:  # then nothing lists them; a file that is not read might
        if rules.reads_names:
            _check_foreign(tree, rules)
        return Membership()
    lists: list[SplitList] = []
    for table in tables:
        if rules.reads_names and rules.match(table.table.path) is None:
            lists += split_columns.split_lists(table, images)
    lists += _from_files(tree, images, rules, [*used, *(one.path for one in lists)])
    if not lists and rules.reads_names:
        _check_foreign(tree, rules)
    return merged(lists, num_images)


def _from_files(tree: Tree, images: ImageIndex, rules: SplitRules, used: Sequence[str]) -> list[SplitList]:
    lists: list[SplitList] = []
    for path, word in _list_paths(tree, images, rules):
        if path in used:
            continue
        try:
            if posixpath.basename(path) == id_tables.SPLIT_FILE:
                lists += _from_id_tables(tree, path, images)
            elif FORMS[extension(path)] == "csv":
                lists += _from_text(tree, path, word, images)
            elif FORMS[extension(path)] == "json":
                lists += _from_json(tree, path, word, images)
        except Unclear:
            raise
        except DatasetInvalid as error:
            raise Unclear(f"the list {path!r} cannot be read: {error.message}", hint=way_out([path])) from None
    return lists


def _list_paths(tree: Tree, images: ImageIndex, rules: SplitRules) -> Iterator[tuple[str, SplitWord | None]]:
    """Files that may list a split, with the split that their names or dataset.splits tell."""
    count = 0
    for path in tree.paths:
        if extension(path) not in FORMS:
            continue
        stem = posixpath.splitext(posixpath.basename(path))[0]
        match = rules.match(path)
        if match is not None and match.target != "ignore" and match.depth > path.count("/"):
            word: SplitWord | None = SplitWord(match.target, match.target, ())
        elif match is not None or not rules.reads_names or set(words_of(stem)) & _OTHER_FILES:
            continue
        else:
            word = split_word(stem)
        is_list = word is not None or posixpath.basename(path) == id_tables.SPLIT_FILE
        if not (is_list or (extension(path) == ".json" and "split" in stem.lower())) or images.has_stem(stem):
            continue
        count += 1
        if count > MOST_LISTS:
            raise Unclear(f"more than {MOST_LISTS} files could list a split, such as {path!r}", hint=way_out([path]))
        yield path, word


def _from_text(tree: Tree, path: str, word: SplitWord | None, images: ImageIndex) -> list[SplitList]:
    if word is None:
        return []
    text, _ = read_lines(tree, path)
    folder = posixpath.dirname(path)
    told = text_entries(text, partial(names_image, images=images, folder=folder))
    if told.share_found >= (FEW if not word.is_plain else 0) and told.share_found:
        return [looked_up(told.entries, path, word.split, word.word, images=images, folder=folder)]
    _check_no_list(told.entries, path, word)
    return []


def _check_no_list(entries: Sequence[str], path: str, word: SplitWord) -> None:
    """Raise Unclear where a file without a known image is a list of images all the same."""
    is_column = extension(path) in (".txt", ".lst", ".list") and not any(" " in one or "\t" in one for one in entries)
    like_images = entries and all(looks_like_image(one) for one in entries[-MOST_IN_A_FOLDER:])
    if word.is_plain and len(entries) > 1 and (is_column or like_images):
        raise Unclear(
            f"{path!r} lists the {word.split} split by its name, and none of its {len(entries)} entries, such as "
            f"{entries[-1]!r}, names an image of the dataset",
            hint=way_out([path]),
        )


def _from_json(tree: Tree, path: str, word: SplitWord | None, images: ImageIndex) -> list[SplitList]:
    text, _ = read_json(tree, path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetInvalid(f"it is no JSON: {error}") from None
    folder = posixpath.dirname(path)
    is_image = partial(names_image, images=images, folder=folder)
    lists = [
        looked_up([entry_of(item, is_image) for item in items], path, told.split, told.word, images=images,
                  folder=folder)
        for told, items in lists_in(value, word)
    ]  # fmt: skip
    return [one for one in lists if one.images]


def _from_id_tables(tree: Tree, path: str, images: ImageIndex) -> list[SplitList]:
    beside = posixpath.join(posixpath.dirname(path), id_tables.IMAGES_FILE)
    splits_text, images_text = (read_lines(tree, one)[0] for one in (path, beside))
    return id_tables.split_lists(path, splits_text, images_text, images)


def _check_foreign(tree: Tree, rules: SplitRules) -> None:
    """Raise Unclear for a file of a kind that is never read whose name tells that it lists held-out images."""
    for path in tree.paths:
        if extension(path) not in FOREIGN or rules.match(path) is not None:
            continue
        word = split_word(posixpath.splitext(posixpath.basename(path))[0])
        if word is not None and word.is_plain and word.split != "train":
            raise Unclear(
                f"{path!r} lists the {word.split} split by its name, and files of this kind are not read",
                hint="save the list as text, one image a line, or leave it out in dataset.splits, as in "
                f'{{"{path}": "ignore"}}',
            )
