"""From a file or folder on this machine to a Tree: told by the first bytes of a file, not by its name."""

from pathlib import Path

from core.data.archives.inflating import PACKED, inflate
from core.data.archives.tars import TarTree
from core.data.archives.zips import ZipTree
from core.data.budget import Budget
from core.data.tables.table import FORMS
from core.data.tree import Folder, Tree
from core.data.web import downloads_below
from core.errors import DatasetInvalid
from core.policy import Policy

_ZIP = (b"PK\3\4", b"PK\5\6")
_PARQUET = b"PAR1"
_TAR_MAGIC_AT = 257
_SINGLE_FILES = (".npz", ".parquet", *(extension for extension in FORMS if extension != ".txt"))
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
    b"<!doc": "a web page (an expired or private link?)",
    b"<html": "a web page (an expired or private link?)",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}
"""First bytes, letters in lower case -> what the file is."""


def open_tree(path: Path, *, policy: Policy, cache: Path) -> Tree:
    """A folder, an archive or a single file. Raises DatasetInvalid, which says what the file is instead."""
    budget = Budget(policy)
    if path.is_dir():
        return Folder(path, budget=budget)
    with path.open("rb") as file:
        head = file.read(512)
    if path.suffix.lower() in _SINGLE_FILES or head.startswith(_PARQUET):
        _check_has_images(path, cache)
        return Folder(path.parent, budget=budget, only=path.name)
    if head.startswith(_ZIP):
        return ZipTree(path, budget=budget)
    if head.startswith(PACKED):
        return TarTree(inflate(path, cache, budget=budget), budget=budget, where=path.name)
    if head[_TAR_MAGIC_AT:].startswith(b"ustar") or path.suffix.lower() == ".tar":
        return TarTree(path, budget=budget)
    told = next((f"; it is {what}" for magic, what in _OTHERS.items() if head.lower().startswith(magic)), "")
    raise DatasetInvalid(
        f"{path.name!r} is no folder, zip, tar, tar.gz, tar.bz2, tar.xz, {', '.join(_SINGLE_FILES)} file{told}",
        hint="pack the images as zip or tar.gz, or give the folder",
        pointer="/dataset/uri",
    )


def _check_has_images(path: Path, cache: Path) -> None:
    """Raise DatasetInvalid for a table that was downloaded alone: it has no images beside it.

    Its content is not quoted. A server that only this machine reaches answers with such text, and a job whose errors
    show its columns or classes would read it for whoever submitted the job.
    """
    if path.suffix.lower() in FORMS and path.is_relative_to(downloads_below(cache)):
        raise DatasetInvalid(
            f"{path.name!r} is a text file, downloaded alone: a table has its images beside it",
            hint="pack the table and its images as zip or tar.gz",
            pointer="/dataset/uri",
        )
