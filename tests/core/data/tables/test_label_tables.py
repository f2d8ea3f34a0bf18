"""Label tables beside images, as people have them: read with columns told, or refused by name."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import warning_codes
from core.data.dataset import Source
from core.errors import DatasetInvalid

Open = Callable[..., Source]
Encode = Callable[..., bytes]

ANTS = [f"a{i}" for i in range(6)]
BEES = [f"b{i}" for i in range(6)]
CLASS = {"a": "ants", "b": "bees"}


@pytest.fixture
def photos(tmp_path: Path, encode: Encode) -> Callable[..., Path]:
    """photos(folder="images", names=..., end=".png"): a dataset folder with images of both classes in one folder."""

    def make(folder: str = "images", names: list[str] | None = None, end: str = ".png") -> Path:
        root = tmp_path / "set"
        (root / folder).mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate(names if names is not None else ANTS + BEES):
            (root / folder / f"{name}{end}").write_bytes(encode(seed))
        return root

    return make


def lines(header: str, row: str, names: list[str] | None = None) -> str:
    """A table with `row` filled in for each image: {name} and {label}."""
    rows = [row.format(name=name, label=CLASS[name[0]]) for name in names or ANTS + BEES]
    return "\n".join([header, *rows] if header else rows) + "\n"


def classes_of(source: Source) -> dict[str, str]:
    return {
        Path(record.name).stem: record.label for records in source.splits.values() for record in records
    }  # fmt: skip


def codes(source: Source) -> set[str]:
    return {warning.code for warning in source.warnings}


RIGHT = {name: CLASS[name[0]] for name in ANTS + BEES}

FORMS: dict[str, tuple[str, bytes, bool]] = {
    # name -> (file, content, whether the columns were guessed)
    "commas": ("labels.csv", lines("image,label", "images/{name}.png,{label}").encode(), False),
    "semicolons": ("labels.csv", lines("image;label", "images/{name}.png;{label}").encode(), False),
    "tabs": ("labels.tsv", lines("image\tlabel", "images/{name}.png\t{label}").encode(), False),
    "tabs in .csv": ("labels.csv", lines("image\tlabel", "images/{name}.png\t{label}").encode(), False),
    "pipes": ("labels.csv", lines("image|label", "images/{name}.png|{label}").encode(), False),
    "quotes": ("labels.csv", lines('"image","label"', '"images/{name}.png","{label}"').encode(), False),
    "lines of Windows": (
        "labels.csv",
        lines("image,label", "images/{name}.png,{label}").replace("\n", "\r\n").encode(),
        False,
    ),
    "paths of Windows": ("labels.csv", lines("image,label", "images\\{name}.png,{label}").encode(), False),
    "dots before paths": ("labels.csv", lines("image,label", "./images/{name}.png,{label}").encode(), False),
    "UTF-8 with mark": ("labels.csv", lines("image,label", "images/{name}.png,{label}").encode("utf-8-sig"), False),
    "UTF-16 with mark": ("labels.csv", lines("image,label", "images/{name}.png,{label}").encode("utf-16"), False),
    "file names alone": ("labels.csv", lines("file_name,label", "{name}.png,{label}").encode(), False),
    "a separator line": ("labels.csv", lines("sep=;\nimage;label", "{name}.png;{label}").encode(), False),
    "spaces around cells": ("labels.csv", lines("image , label", "{name}.png , {label}").encode(), False),
    "a path above the table": ("meta/labels.csv", lines("image,label", "../images/{name}.png,{label}").encode(), False),
    "other names": ("labels.csv", lines("filename,class", "images/{name}.png,{label}").encode(), True),
    "ids": ("labels.csv", lines("id,breed", "{name},{label}").encode(), True),
    "an index column": ("labels.csv", lines(",image,label", "7,images/{name}.png,{label}").encode(), False),
    "more columns": ("labels.csv", lines("image,width,label,note", "{name}.png,8,{label},").encode(), False),
    "unknown path column": ("labels.csv", lines("Bild,species", "{name}.png,{label}").encode(), True),
    "no header": ("labels.csv", lines("", "images/{name}.png,{label}").encode(), True),
    "a list with spaces": ("train.txt", lines("", "images/{name}.png {label}").encode(), True),
    "text with tabs": ("labels.txt", lines("", "images/{name}.png\t{label}").encode(), True),
    "capitals of the extension": ("labels.csv", lines("image,label", "images/{name}.PNG,{label}").encode(), False),
    "lines of JSON": (
        "labels.jsonl",
        "\n".join(json.dumps({"image": f"images/{n}.png", "label": c}) for n, c in RIGHT.items()).encode(),
        False,
    ),
    "Hugging Face": (
        "metadata.jsonl",
        "\n".join(json.dumps({"file_name": f"images/{n}.png", "label": c}) for n, c in RIGHT.items()).encode(),
        False,
    ),
    "a list in JSON": (
        "labels.json",
        json.dumps([{"image": f"images/{n}.png", "label": c} for n, c in RIGHT.items()]).encode(),
        False,
    ),
    "a list under a key": (
        "labels.json",
        json.dumps({"data": [{"file": f"{n}.png", "label": c} for n, c in RIGHT.items()]}).encode(),
        False,
    ),
    "an object in JSON": ("labels.json", json.dumps({f"{n}.png": c for n, c in RIGHT.items()}).encode(), False),
    "objects in an object": (
        "labels.json",
        json.dumps({n: {"label": c, "width": 8} for n, c in RIGHT.items()}).encode(),
        False,
    ),
}


@pytest.mark.parametrize(("file", "content", "guessed"), FORMS.values(), ids=FORMS)
def test_a_table_beside_the_images_is_read(
    photos: Callable[..., Path], open_source: Open, file: str, content: bytes, guessed: bool
) -> None:
    path = photos() / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    source = open_source(photos())
    assert classes_of(source) == RIGHT
    assert (warning_codes.TABLE_GUESSED in codes(source)) == guessed
    facts = source.decode(8).facts.tables
    assert [(one.path, one.num_rows) for one in facts] == [(file, 12)]


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "Latin-1": (
        "labels.csv",
        lines("image,label", "{name}.png,{label}é").encode("latin-1"),
        r"'labels.csv' is not UTF-8",
    ),
    "UTF-16 without mark": ("labels.csv", lines("image,label", "{name}.png,{label}").encode("utf-16-le"), "zero bytes"),
    "no column for classes": (
        "labels.csv",
        lines("image,width,height", "{name}.png,8,8").encode(),
        r"'labels.csv'.*'image', 'width', 'height'",
    ),
    "two columns for classes": (
        "labels.csv",
        lines("image,species,breed", "{name}.png,{label},x").encode(),
        r"'species' and 'breed'",
    ),
    "no such images": (
        "labels.csv",
        lines("image,label", "photo_{name}.png,{label}").encode(),
        "'labels.csv'.*names no",
    ),
    "COCO": (
        "labels.json",
        json.dumps({"images": [{"id": 1}], "annotations": [], "categories": []}).encode(),
        r"'labels.json' holds an object with the keys 'images', 'annotations', 'categories'",
    ),
    "a spreadsheet": ("labels.xlsx", b"PK\3\4", r"'labels.xlsx' is of a kind that is not read"),
    "a fraction": ("labels.csv", lines("image,label", "{name}.png,0.5").encode(), "'0.5' is a fraction"),
    "several classes": (
        "labels.jsonl",
        "\n".join(json.dumps({"image": f"{n}.png", "label": ["ants", "bees"]}) for n in RIGHT).encode(),
        "'labels.jsonl', line 1: the label",
    ),
    "addresses": ("labels.csv", lines("image,label", "https://x.org/{name}.png,{label}").encode(), "web addresses"),
    "too many cells": ("labels.csv", lines("image,label", "{name}.png,{label},more").encode(), "'labels.csv', line 2"),
    "a column twice": ("labels.csv", lines("image,label,label", "{name}.png,{label},x").encode(), "a column twice"),
    "not a number": (
        "labels.csv",
        lines("image,label", "{name}.png,{label}").replace("a3.png,ants", "a3.png,NaN").encode(),
        "'labels.csv', line 5: the label 'NaN'",
    ),
    "notes beside images": ("images/a0.xml", b"<a/>", r"'images/a0\.xml' is of a kind that is not read"),
    "one image of two classes": (
        "labels.csv",
        (lines("image,label", "{name}.png,{label}") + "a0.png,bees\n").encode(),
        r"the image 'images/a0\.png' twice",
    ),
    "a missing label": (
        "labels.csv",
        lines("image,label", "{name}.png,{label}").replace("a3.png,ants", "a3.png,").encode(),
        "'labels.csv', line 5: the label",
    ),
}


@pytest.mark.parametrize(("file", "content", "told"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_cannot_be_used_is_named(
    photos: Callable[..., Path], open_source: Open, file: str, content: bytes, told: str
) -> None:
    (photos() / file).write_bytes(content)
    with pytest.raises(DatasetInvalid, match=told):
        open_source(photos())


def test_the_columns_can_be_named(photos: Callable[..., Path], open_source: Open) -> None:
    root = photos()
    (root / "labels.csv").write_text(lines("image,species,breed", "{name}.png,{label},x"))
    source = open_source(root, label_column="species")
    assert classes_of(source) == RIGHT
    (root / "labels.csv").write_text(lines("", "{name}.png\t{label}\t0\t0"))
    assert classes_of(open_source(root, image_column="column 1", label_column="column 2")) == RIGHT


def test_a_table_by_its_own_uri(photos: Callable[..., Path], open_source: Open) -> None:
    for file, content in (
        ("m.csv", lines("id;breed", "{name};{label}")),
        ("m.tsv", lines("image\tlabel", "{name}.png\t{label}")),
    ):
        path = photos() / file
        path.write_text(content)
        assert classes_of(open_source(path)) == RIGHT


@pytest.mark.parametrize("where", ["train.csv", "train/metadata.csv", "train/labels.csv", "annotations/train.csv"])
def test_a_table_for_each_split(photos: Callable[..., Path], open_source: Open, where: str) -> None:
    photos("train", ANTS[:4] + BEES[:4])
    root = photos("test", ANTS[4:] + BEES[4:])
    for split, names in (("train", ANTS[:4] + BEES[:4]), ("test", ANTS[4:] + BEES[4:])):
        path = root / where.replace("train", split)
        path.parent.mkdir(exist_ok=True)
        path.write_text(lines("file_name,label", "{name}.png,{label}", names))
    source = open_source(root)
    assert classes_of(source) == RIGHT
    assert {Path(record.name).stem for record in source.splits["test"]} == {"a4", "a5", "b4", "b5"}


def test_equal_names_in_two_splits(photos: Callable[..., Path], open_source: Open) -> None:
    photos("train", ANTS + BEES)
    root = photos("test", ["a0", "b0"])
    (root / "train.csv").write_text(lines("id,label", "{name},{label}"))
    (root / "test.csv").write_text(lines("id,label", "{name},{label}", ["a0", "b0"]))
    source = open_source(root)
    assert {record.name for record in source.splits["test"]} == {"test/a0.png", "test/b0.png"}
    assert all(record.name.startswith("train/") for record in source.splits["train"])


def test_folders_of_images_tell_the_split(photos: Callable[..., Path], open_source: Open) -> None:
    photos("train", ANTS[:4] + BEES[:4])
    root = photos("test", ANTS[4:] + BEES[4:])
    (root / "labels.csv").write_text(lines("id,label", "{name},{label}"))
    source = open_source(root)
    assert Counter(record.name.split("/")[0] for record in source.splits["test"]) == {"test": 4}


def test_kaggle_without_labels_for_the_test(photos: Callable[..., Path], open_source: Open) -> None:
    photos("train", ANTS + BEES)
    root = photos("test", ["t0", "t1"])
    (root / "train.csv").write_text(lines("id,breed", "{name},{label}"))
    (root / "test.csv").write_text("id\nt0\nt1\n")
    (root / "sample_submission.csv").write_text("id,breed\nt0,ants\nt1,ants\n")
    source = open_source(root)
    assert classes_of(source) == RIGHT
    assert {warning_codes.IMAGES_NOT_IN_TABLE, warning_codes.TABLE_UNUSED} <= codes(source)


def test_a_test_table_of_empty_labels_is_left_out(photos: Callable[..., Path], open_source: Open) -> None:
    photos("train", ANTS + BEES)
    root = photos("test", ["t0", "t1"])
    (root / "train.csv").write_text(lines("image,label", "{name}.png,{label}"))
    (root / "test.csv").write_text("image,label\nt0.png,\nt1.png,\n")
    source = open_source(root)
    assert classes_of(source) == RIGHT
    assert warning_codes.UNLABELLED_LEFT_OUT in codes(source)


def test_a_table_with_another_label_column_is_not_used(photos: Callable[..., Path], open_source: Open) -> None:
    photos("train", ANTS + BEES)
    root = photos("test", ["t0", "t1"])
    (root / "train" / "metadata.csv").write_text(lines("file_name,label", "{name}.png,{label}"))
    (root / "test" / "metadata.csv").write_text("file_name,text\nt0.png,ants\nt1.png,bees\n")
    source = open_source(root)
    assert classes_of(source) == RIGHT
    assert {warning_codes.IMAGES_NOT_IN_TABLE, warning_codes.TABLE_UNUSED} <= codes(source)


def test_two_tables_are_a_choice(photos: Callable[..., Path], open_source: Open) -> None:
    root = photos()
    (root / "first.csv").write_text(lines("image,label", "{name}.png,{label}"))
    (root / "second.csv").write_text(lines("image,label", "{name}.png,other_{label}"))
    with pytest.raises(DatasetInvalid, match=r"'first.csv'.*'second.csv'") as caught:
        open_source(root)
    assert caught.value.pointer == "/dataset/splits"
    assert classes_of(open_source(root, splits={"second.csv": "ignore"})) == RIGHT


def test_names_that_mean_two_images_are_refused(photos: Callable[..., Path], open_source: Open) -> None:
    photos("one")
    root = photos("two")
    (root / "labels.csv").write_text(lines("image,label", "{name}.png,{label}"))
    with pytest.raises(DatasetInvalid, match=r"line 2.*'one/a0.png' or 'two/a0.png'"):
        open_source(root)


def test_a_table_that_contradicts_the_folders_is_refused(photos: Callable[..., Path], open_source: Open) -> None:
    photos("ants", ANTS)
    root = photos("bees", BEES)
    table = root / "info.csv"
    table.write_text(lines("filename,class", "{name}.png,{label}").replace("a0.png,ants", "a0.png,bees"))
    with pytest.raises(DatasetInvalid, match=r"'info.csv'.*'ants/a0.png' is 'bees' there and 'ants' here"):
        open_source(root)
    assert classes_of(open_source(root, format="folder")) == RIGHT
    table.write_text(lines("filename,class", "{name}.png,{label}").replace("ants", "0").replace("bees", "1"))
    assert open_source(root).classes == ("ants", "bees")


def test_a_table_of_other_facts_beside_class_folders_is_told(photos: Callable[..., Path], open_source: Open) -> None:
    photos("ants", ANTS)
    root = photos("bees", BEES)
    (root / "sizes.csv").write_text(lines("file,width,height", "{name}.png,8,8"))
    source = open_source(root)
    assert (source.format, source.classes) == ("folder", ("ants", "bees"))
    unused = [warning for warning in source.warnings if warning.code == warning_codes.TABLE_UNUSED]
    assert "sizes.csv" in unused[0].message and "width" in unused[0].message


def test_lists_of_classes_beside_class_folders_are_no_tables(photos: Callable[..., Path], open_source: Open) -> None:
    photos("ants", ANTS)
    root = photos("bees", BEES)
    (root / "classes.txt").write_text("ants\nbees\n")
    (root / "groups.json").write_text('{"ants": "insects", "bees": "insects"}')
    assert open_source(root).classes == ("ants", "bees")


def test_numbers_of_pandas_are_whole(photos: Callable[..., Path], open_source: Open) -> None:
    root = photos()
    (root / "labels.csv").write_text(
        lines("image,label", "{name}.png,{label}").replace("ants", "2.0").replace("bees", "10.0")
    )
    assert open_source(root).classes == ("2", "10")


def test_rows_that_name_no_file_are_counted(photos: Callable[..., Path], open_source: Open) -> None:
    root = photos()
    (root / "labels.csv").write_text(lines("image,label", "{name}.png,{label}") + "gone.png,ants\n")
    with pytest.raises(DatasetInvalid, match=r"1 of 13 images cannot be read: gone.png"):
        open_source(root).decode(8)


def test_a_table_in_a_zip(tmp_path: Path, open_source: Open, encode: Encode, make_zip: Callable[..., Path]) -> None:
    members = {f"set/img/{name}.png": encode(n) for n, name in enumerate(ANTS + BEES)}
    table = lines("id;breed", "{name};{label}").encode()
    path = make_zip(tmp_path / "set.zip", members | {"set/labels.csv": table, "__MACOSX/set/._labels.csv": b"\0\5\x16"})
    assert classes_of(open_source(path)) == RIGHT


def test_the_split_column_speaks_many_words(photos: Callable[..., Path], open_source: Open) -> None:
    root = photos()
    rows = [f"{name}.png,{CLASS[name[0]]},{'Test Set' if name[1] in '45' else 'TRAINING'}" for name in ANTS + BEES]
    (root / "labels.csv").write_text("\n".join(["image,label,split", *rows]))
    assert open_source(root).num_test == 4
    (root / "labels.csv").write_text("\n".join(["image,label,split", *rows]).replace("TRAINING", "fold 1"))
    with pytest.raises(DatasetInvalid, match=r"line 2: unknown split 'fold 1'"):
        open_source(root)
    for name in ("Split", "purpose", "Usage"):
        (root / "labels.csv").write_text("\n".join([f"image,label,{name}", *rows]))
        assert open_source(root).num_test == 4
    (root / "labels.csv").write_text("\n".join(["image,label,fold", *rows]).replace("TRAINING", "fold 1"))
    assert open_source(root).classes == ("ants", "bees")
