"""Names and sizes of an archive's members, checked before a byte is inflated.

No member is ever extracted into a folder. Names that could lead out of one (absolute, `..`, drive letters, NUL,
duplicates) are refused all the same, since an archive that holds them is broken or hostile. The zip and tar libraries
give at most as many bytes as a member's header promises, so the sum of the promised sizes bounds what can come out.
"""

import re
import unicodedata
from collections.abc import Iterable

from core.data.tree import MAX_DEPTH
from core.errors import DatasetInvalid
from core.policy import Policy

# For fewer bytes the ratio is not checked: small archives of plain images have high ratios without any fault.
FREE_BYTES = 64 << 20
MAX_NAME_LENGTH = 1024
_DRIVE = re.compile(r"^[A-Za-z]:")


def check_name(name: str) -> None:
    """Raise DatasetInvalid for a member's name that could lead out of a folder or mislead a reader of messages."""
    parts = re.split(r"[/\\]", name)
    if not name or "\0" in name:
        raise DatasetInvalid(f"the archive holds a member with an empty or NUL-bearing name: {name!r}")
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        raise DatasetInvalid(f"the archive's member {name!r} has an absolute path")
    if ".." in parts:
        raise DatasetInvalid(f"the archive's member {name!r} climbs out of its folder")
    if len(name) > MAX_NAME_LENGTH or len(parts) > MAX_DEPTH:
        raise DatasetInvalid(f"the archive's member {name[:80]!r}... has a name too long or too deep")


def check_distinct(names: Iterable[str]) -> None:
    """Raise DatasetInvalid where two members have one name; names that differ by case alone are two."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DatasetInvalid(f"the archive holds {name!r} twice")
        seen.add(name)


def check_storable(names: Iterable[str]) -> None:
    """Raise DatasetInvalid where two names would be one file on a file system that folds case or Unicode forms."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            how = "twice" if seen[folded] == name else f"and {seen[folded]!r}, which differ only by case"
            raise DatasetInvalid(f"the archive holds {name!r} {how}")
        seen[folded] = name


def check_sizes(total: int, archive_bytes: int, policy: Policy) -> None:
    """Raise DatasetInvalid where an archive of so many bytes would give more than the policy allows."""
    if total > policy.max_extracted_bytes:
        raise DatasetInvalid(f"the archive holds {total} bytes; allowed are {policy.max_extracted_bytes}")
    if total > FREE_BYTES and total > policy.max_compression_ratio * max(1, archive_bytes):
        raise DatasetInvalid(
            f"the archive's {archive_bytes} bytes would become {total} bytes; allowed is"
            f" {policy.max_compression_ratio:g}-fold (a decompression bomb?)"
        )
