"""Names that tell a split: folders, files, shards, tables, arrays and cells, by the words in them.

A name is cut into words (`seg_train` -> seg, train; `TestSet` -> test, set; `val2` -> val, 2). A word alone is a weak
sign, since a class may be called `test tube`: a folder is a split only where its other words say nothing (`Test Set`,
`valid_images`) or are shared with a sibling that is another split (`seg_train` beside `seg_test`).
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.data.listing import SplitName

WORDS: dict[str, SplitName] = {
    **dict.fromkeys(
        ("train", "training", "trainings", "trn", "entrenamiento", "entrainement", "apprentissage", "treino",
         "treinamento", "addestramento", "训练", "訓練", "学習", "학습", "обучение"), "train",
    ),
    **dict.fromkeys(
        ("val", "valid", "validation", "validate", "validating", "vali", "dev", "devel", "validacion", "validacao",
         "validierung", "validazione", "验证", "驗證", "検証", "검증", "валидация"), "validation",
    ),
    **dict.fromkeys(
        ("test", "testing", "tests", "tst", "eval", "evaluation", "evaluate", "holdout", "heldout", "prueba", "pruebas",
         "teste", "evaluacion", "avaliacao", "auswertung", "测试", "測試", "テスト", "評価", "테스트", "тест"), "test",
    ),
}  # fmt: skip
"""Word in lower case without accents -> split."""
_PAIRS = {("hold", "out"): "holdout", ("held", "out"): "heldout"}
FILLERS = frozenset(
    {
        "set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "photo", "photos", "picture",
        "pictures", "pic", "pics", "jpg", "jpeg", "jpegs", "png", "jpegimages", "folder", "folders", "dir",
        "directory", "files", "file", "split", "splits", "subset", "partition", "part", "samples", "sample",
        "examples", "crop", "crops", "cropped", "resized", "resize", "final", "new", "clean", "cleaned", "all", "raw",
        "full", "original", "originals", "orig", "processed", "preprocessed", "public", "private", "labeled",
        "labelled", "class", "classes", "list", "lists", "the", "my", "of", "for", "with", "集", "データ", "数据",
    }
)  # fmt: skip
"""Words that name no content of their own."""
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z\d_]+")


@dataclass(frozen=True)
class SplitWord:
    """A split that a name tells: by which word, beside which others."""

    split: SplitName
    word: str
    others: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the other words say nothing."""
        return all(other in FILLERS or other.isdecimal() or len(other) == 1 for other in self.others)


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, without accents."""
    words: list[str] = []
    for run in _WORD.findall(unicodedata.normalize("NFC", name)):
        known = _unglued(_plain(run))
        words += known or [word for part in _CAMEL.findall(run) or [run] for word in _glued_or_whole(_plain(part))]
    merged: list[str] = []
    for word in words:
        pair = _PAIRS.get((merged[-1], word)) if merged else None
        if pair:
            merged[-1] = pair
        else:
            merged.append(word)
    return merged


def split_word(name: str) -> SplitWord | None:
    """The split that a name means; None if it means none, or several (`train+val` is a training split)."""
    words = words_of(name)
    found = [word for word in words if word in WORDS]
    splits = {WORDS[word] for word in found}
    others = tuple(word for word in words if word not in WORDS)
    if splits == {"train", "validation"}:
        return SplitWord("train", "trainval", others)
    return SplitWord(splits.pop(), found[0], others) if len(splits) == 1 else None


def sibling_splits(names: Iterable[str]) -> dict[str, SplitWord]:
    """Those of sibling folders that are splits by their names."""
    told = {name: word for name in names if (word := split_word(name)) is not None}
    listed = [word for word in words_of(" ".join(names)) if word in ("invalid", "unvalid")]
    if listed:  # beside `invalid`, `valid` says that something is right
        told = {name: word for name, word in told.items() if word.word != "valid"}
    return {
        name: one
        for name, one in told.items()
        if one.is_plain or any(one.others == other.others and one.split != other.split for other in told.values())
    }


def split_of_value(value: str) -> SplitName | None:
    """The split that a cell of a table means: a split word, perhaps with words without a meaning."""
    word = split_word(value)
    return word.split if word is not None and word.is_plain else None


def split_of_path(path: str) -> SplitName | None:
    """The split that a file's name means, else its innermost folder's; None if none does."""
    for part in reversed(PurePosixPath(path).parts):
        word = split_word(part)
        if word is not None:
            return word.split
    return None


def _plain(text: str) -> str:
    """In lower case and without accents."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not ("\u0300" <= c <= "\u036f")))


def _unglued(word: str) -> list[str] | None:
    """`trainset` -> train, set; `imgtest` -> img, test; a split word as it is; None for any other word."""
    if word in WORDS:
        return [word]
    if word in ("trainval", "trainvalid"):
        return ["train", "val"]
    for filler in FILLERS:
        if len(filler) < 3 and filler.isascii():
            continue
        for parts in ((word.removesuffix(filler), filler), (filler, word.removeprefix(filler))):
            if "".join(parts) == word and (parts[0] in WORDS or parts[1] in WORDS):
                return list(parts)
    return None


def _glued_or_whole(word: str) -> list[str]:
    return _unglued(word) or [word]
