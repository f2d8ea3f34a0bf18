"""What a file is that was given as weights and holds none that are read: named by its content, with the way out."""

import json
import zipfile
from pathlib import Path

from core.errors import TeacherLoadFailed

HEAD_BYTES = 4096
LISTED = 3
FETCH_AGAIN = "fetch the file again; save it as a state dict (torch.save(model.state_dict(), path)) or as safetensors"
EXPORT = "give the weights of the torch model that it was made from: torch.save(model.state_dict(), 'weights.pth')"
CONVERT = "convert it to a torch state dict, or give a torch checkpoint of the same network"
UNPACK = "unpack it, and name the weights file in it"

# (offset, bytes there, what the file is, the way out)
MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a git-lfs pointer: a few lines of text that stand for the file", "git lfs pull"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes weights", CONVERT),
    (4, b"TFL3", "a TensorFlow Lite model", CONVERT),
    (4, b"ORTM", "an onnxruntime model", EXPORT),
    (0, b"\x93NUMPY", "a numpy array", CONVERT),
    (0, b"GGUF", "a GGUF file of language models", CONVERT),
    (0, b"MATLAB ", "a MATLAB file", CONVERT),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"BZh", "a bzip2 archive", UNPACK),
    (0, b"\xfd7zXZ", "an xz archive", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x89PNG", "a PNG image", FETCH_AGAIN),
    (0, b"\xff\xd8\xff", "a JPEG image", FETCH_AGAIN),
    (0, b"%PDF", "a PDF document", FETCH_AGAIN),
)
# Which files in a zip archive tell its kind.
ZIP_KINDS: tuple[tuple[str, str, str], ...] = (
    ("model.weights.h5", "a Keras model (.keras)", CONVERT),
    ("saved_model.pb", "a TensorFlow SavedModel", CONVERT),
    ("models/model.json", "a program of torch.export (.pt2)", EXPORT),
    ("serialized_exported_program.json", "a program of torch.export (.pt2)", EXPORT),
    ("Manifest.json", "a Core ML package", EXPORT),
)
# ONNX and TensorFlow graphs are protocol buffers without a magic number. ONNX begins with its version (field 1, a small
# number), then its producer (field 2), its opset imports (8) or its graph (7).
ONNX_SECOND_FIELDS = b"\x12\x3a\x42\x1a"


def refuse_foreign(path: Path, pointer: str) -> TeacherLoadFailed:
    """The error for a file that is neither safetensors nor a pickle."""
    what, hint = describe(path)
    return TeacherLoadFailed(f"{path.name} is {what}, and no weights that torch reads", hint=hint, pointer=pointer)


def describe(path: Path) -> tuple[str, str]:
    """What the file is, in words that follow "is", and what to do instead."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return "empty", "the download may have failed; fetch the file again"
    if head.startswith(b"PK\x03\x04") or zipfile.is_zipfile(path):
        return _zip(path)
    for offset, magic, what, hint in MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return what, hint
    if len(head) > 2 and head[0] == 0x08 and head[1] < 0x20 and head[2] in ONNX_SECOND_FIELDS:
        return "an ONNX model", EXPORT
    return _text(head) or ("in no format that is known", FETCH_AGAIN)


def _zip(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "the beginning of a zip archive, cut short", "the download may have been cut short; fetch it again"
    for mark, what, hint in ZIP_KINDS:
        if any(name == mark or name.endswith(f"/{mark}") for name in names):
            return what, hint
    if names and all(name.endswith(".npy") for name in names):
        return f"a numpy archive (.npz) of {len(names)} arrays", CONVERT
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"a zip archive ({', '.join(names[:LISTED])}{more})", UNPACK


def _text(head: bytes) -> tuple[str, str] | None:
    """A web page, JSON, or other text; None where it is no text."""
    try:
        # The last bytes may be the beginning of a character.
        text = head.decode("utf-8-sig") if len(head) < HEAD_BYTES else head[:-4].decode("utf-8-sig", errors="replace")
    except UnicodeDecodeError:
        return None
    if any(ord(mark) < 9 for mark in text):
        return None
    start = text.lstrip()[:200]
    lowered = start.lower()
    if lowered.startswith(("<!doctype html", "<html", "<head", "<body")) or "<html" in lowered:
        return "a web page (HTML), such as a page that asks to sign in or to confirm the download", (
            "open the address in a browser, and name the address of the file itself"
        )
    if lowered.startswith("<?xml") or lowered.startswith("<error"):
        return f"an XML answer of a server: {_start(start)}", "check that the file may be read at this address"
    if start.startswith(("{", "[")):
        return f"JSON: {_start(start)}", FETCH_AGAIN
    return f"text: {_start(start)}", FETCH_AGAIN


def _start(text: str) -> str:
    return json.dumps(" ".join(text.split())[:60], ensure_ascii=False)
