"""The split that a file's name tells, as Hugging Face and WebDataset write it: data/train-00000-of-00004.parquet."""

import re
from pathlib import PurePosixPath

from core.data.listing import SPLIT_WORDS, SplitName

_WORD = re.compile(r"[a-z]+")


def split_of(path: str) -> SplitName | None:
    """The split word that the file's name starts with, else the innermost folder's; None where neither tells."""
    for part in reversed(PurePosixPath(path.lower()).parts):
        word = _WORD.match(part)
        if word and word[0] in SPLIT_WORDS:
            return SPLIT_WORDS[word[0]]
    return None
