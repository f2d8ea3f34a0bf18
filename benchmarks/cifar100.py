"""The real CIFAR-100 of the data folder: one zip of train/ and test/, and the names of its classes."""

import json
import zipfile
from pathlib import Path


def class_names(data: Path) -> tuple[list[str], dict[str, str]]:
    """(all class names in the order of the teachers' outputs, superclass by class)."""
    with zipfile.ZipFile(data / "cifar100_test_webp.zip") as archive:
        names = {name.split("/")[-1]: name for name in archive.namelist()}
        classes = archive.read(names["classes.txt"]).decode().split()
        return classes, json.loads(archive.read(names["superclasses.json"]))


def every_tenth(classes: list[str], count: int = 10) -> tuple[str, ...]:
    """`count` of the classes, evenly spread."""
    return tuple(classes[:: len(classes) // count])


def joined(data: Path, out: Path) -> Path:
    """A folder with cifar100.zip, made from the two archives of `data`, and a link to its weights."""
    folder = out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    whole_zip = folder / "cifar100.zip"
    if not whole_zip.exists():
        with zipfile.ZipFile(folder / "part", "w", zipfile.ZIP_STORED) as whole:
            for split in ("train", "test"):
                with zipfile.ZipFile(data / f"cifar100_{split}_webp.zip") as part:
                    for name in part.namelist():
                        if name.endswith(".webp"):
                            whole.writestr(name, part.read(name))
        (folder / "part").rename(whole_zip)
    if not (folder / "weights").exists():
        (folder / "weights").symlink_to(data / "weights")
    return folder
