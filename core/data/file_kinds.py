"""What kind of file a path and its first bytes tell: an image that can be read, or why it is passed over."""

import posixpath
import re
from collections import Counter
from dataclasses import dataclass, field

from core.data.litter import is_hidden
from core.data.tree import Tree
from core.errors import DatasetInvalid

IMAGE_EXTENSIONS = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".avif",
        ".ppm", ".pgm", ".pbm", ".pnm",
    }
)  # fmt: skip
# Files that are no image by their name. All others are looked into: a name is only a hint.
_OTHER_EXTENSIONS = frozenset(
    {
        ".txt", ".md", ".rst", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ods", ".csv", ".tsv", ".json", ".jsonl",
        ".ndjson", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log", ".html", ".htm", ".css", ".js", ".py",
        ".pyc", ".ipynb", ".sh", ".bat", ".m", ".r", ".c", ".cpp", ".h", ".java", ".mat", ".npy", ".npz", ".pkl",
        ".pickle", ".pt", ".pth", ".ckpt", ".h5", ".hdf5", ".onnx", ".safetensors", ".parquet", ".arrow", ".feather",
        ".tfrecord", ".lmdb", ".mdb", ".sqlite", ".db", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar",
        ".zst", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".mp3", ".wav", ".flac", ".ttf", ".exe", ".dll", ".so",
        ".svg", ".ai", ".eps", ".ps", ".psd", ".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf",
        ".orf", ".rw2", ".raw", ".dcm", ".nii", ".exr", ".hdr", ".dds", ".tga", ".ico", ".icns", ".jp2", ".j2k",
        ".fits", ".cls", ".bin", ".sha256", ".md5", ".lock", ".tmp", ".part", ".crdownload",
    }
)  # fmt: skip
HEAD_BYTES = 32  # enough for every signature below
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
               b"P4\n", b"P5\n", b"P6\n")  # fmt: skip
_AVIF_BRANDS = (b"avif", b"avis")
_LINK = re.compile(r"^.*?(\.\w{2,8})[?&#@:;].*$")
MOST_KINDS = 8  # reasons that one sentence names


def extension(path: str) -> str:
    """The extension in lower case with its dot; what a download link appended (`.jpg?size=large`) does not count."""
    name = posixpath.basename(path)
    kind = posixpath.splitext(name)[1].lower()
    if kind in IMAGE_EXTENSIONS or kind in _OTHER_EXTENSIONS:
        return kind
    linked = _LINK.match(name)
    return linked[1].lower() if linked else kind


def looks_like_image(path: str) -> bool:
    """Whether the name alone tells an image."""
    return extension(path) in IMAGE_EXTENSIONS


def is_image_content(head: bytes) -> bool:
    """Whether a file that starts with `head` (HEAD_BYTES bytes) is JPEG, PNG, GIF, TIFF, WebP, AVIF, BMP or binary
    PNM."""
    if head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    if head[4:8] == b"ftyp":
        return any(brand in head[8:HEAD_BYTES] for brand in _AVIF_BRANDS)
    # A BMP says its own header size, which is one of few; two letters alone would take many texts for images.
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True)
class Contents:
    """The images of a tree in order, and how many other files were passed over, by reason."""

    images: tuple[str, ...]
    passed_over: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    """Images whose name or folder starts with a dot; they are passed over and counted."""


def contents_of(tree: Tree) -> Contents:
    """Look at every file of a tree; those without a telling name are opened for their first bytes."""
    images: list[str] = []
    passed: Counter[str] = Counter()
    hidden = 0
    for path in tree.paths:
        reason = _reason(tree, path)
        if reason is None:
            images.append(path)
        else:
            hidden += reason == HIDDEN_IMAGE
            passed[reason] += 1
    return Contents(tuple(images), passed, hidden)


HIDDEN_IMAGE = "hidden image"


def _reason(tree: Tree, path: str) -> str | None:
    """Why a file is passed over; None for an image."""
    kind = extension(path)
    if is_hidden(path):
        return HIDDEN_IMAGE if kind in IMAGE_EXTENSIONS else "hidden file"
    if kind in IMAGE_EXTENSIONS:
        return None
    if kind not in _OTHER_EXTENSIONS and is_image_content(_head(tree, path)):
        return None
    return kind or "no extension"


def _head(tree: Tree, path: str) -> bytes:
    try:
        return tree.head(path, HEAD_BYTES)
    except DatasetInvalid:
        return b""


def listed(counts: Counter[str]) -> str:
    """`20 x .tif, 3 x .txt`: the most frequent first, then by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = sum(count for _, count in ordered[MOST_KINDS:])
    kinds = [f"{count} x {kind}" for kind, count in ordered[:MOST_KINDS]]
    return ", ".join(kinds + ([f"{more} x others"] if more else []))
