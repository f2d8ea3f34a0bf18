"""Lists of images in JSON: an object split -> list, or a file whose name tells the split and which holds one list.

An item of a list is a path, a list that starts with one (`[path, label, class]`), or an object with one. Under a class
name lies the list of its images, as in Food-101's `train.json`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from core.data.split_names import SplitWord, split_word
from core.data.tables.columns import PATH_COLUMNS


def lists_in(value: Any, told: SplitWord | None) -> Iterator[tuple[SplitWord, list[Any]]]:
    """Each split of a decoded JSON file with its items; `told` is the split of the file's name."""
    if isinstance(value, dict) and value:
        words = {key: split_word(key) for key in value}
        splits = [word for word in words.values() if word is not None and word.is_plain]
        if len(splits) == len(value) and all(isinstance(items, list) for items in value.values()):
            yield from ((word, value[key]) for key, word in words.items() if word is not None)
            return
    if told is not None:
        yield told, list(_items(value))


def entry_of(item: Any, names_image: Callable[[Any], bool]) -> Any:
    """What names the image in an item of a list."""
    if isinstance(item, dict):
        item = [item[name] for name in PATH_COLUMNS if name in item] or list(item.values())
    if not isinstance(item, list):
        return item
    texts = [part for part in item if isinstance(part, str)]
    return next(filter(names_image, texts), texts[0] if texts else "")


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict) and all(isinstance(items, list) for items in value.values()):
        for items in value.values():
            yield from items
