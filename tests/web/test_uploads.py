"""A folder and an archive go from the browser into the service, and the job on the page names them."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from retort.archive import pack
from store import datasets
from store.database import Database
from store.datasets import Dataset
from tests.web.conftest import Page

JOB = "JSON.parse(document.querySelector('textarea').value)"
FILES = {"cat/1.jpg": b"x" * 700, "cat/2.jpg": b"y" * 512, "dog/3.jpg": b"z" * 9000}
UNICODE = {"größe/日本.jpg": b"u" * 10, "deep/" * 30 + "a long name.jpg": b"l" * 600}


@pytest.fixture
def form(page: Page, address: str) -> Page:
    page.open(f"{address}/#/new")
    page.wait("document.querySelector('.drop')")
    return page


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in {**files, ".DS_Store": b"hidden"}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def choose(page: Page, label: str, path: Path) -> None:
    """Choose a file or folder in the field with this label."""
    page.send("DOM.enable")
    root = page.send("DOM.getDocument")["root"]["nodeId"]
    field = page.send("DOM.querySelector", nodeId=root, selector=f"input[aria-label='{label}']")["nodeId"]
    page.send("DOM.setFileInputFiles", nodeId=field, files=[str(path)])


def uploaded(page: Page, database: Database) -> Dataset:
    page.wait("document.body.innerText.includes('is uploaded')")
    with database.read() as session:
        return datasets.list_datasets(session, "default", limit=1)[0]


def test_a_folder_is_uploaded_and_the_job_names_it(form: Page, database: Database, tmp_path: Path) -> None:
    chosen = folder(tmp_path / "photos", FILES)
    choose(form, "Choose a folder", chosen)
    dataset = uploaded(form, database)
    assert form.run(f"{JOB}.dataset") == dataset.uri
    assert (dataset.name, dataset.filename, dataset.state) == ("photos", "photos.tar", "ready")
    assert dataset.sha256 == pack(chosen).sha256(), "the command uploads the same bytes"
    assert form.complaints == []


def test_names_that_a_plain_header_cannot_hold(form: Page, database: Database, tmp_path: Path) -> None:
    choose(form, "Choose a folder", folder(tmp_path / "photos", UNICODE))
    dataset = uploaded(form, database)
    content = io.BytesIO(b"".join(datasets.read(database, dataset.id)))
    with tarfile.open(fileobj=content) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in found.items() if file is not None} == UNICODE


def test_an_archive_is_uploaded_as_it_is_and_offered_again(form: Page, database: Database, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shelf.zip", "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    form.run("document.querySelector('textarea').value = JSON.stringify({dataset: {uri: 'x', classes: ['cat']}})")
    choose(form, "Choose an archive", tmp_path / "shelf.zip")
    dataset = uploaded(form, database)
    assert form.run(f"{JOB}.dataset") == {"uri": dataset.uri, "classes": ["cat"]}
    assert b"".join(datasets.read(database, dataset.id)) == (tmp_path / "shelf.zip").read_bytes()
    form.open(form.run("location.href"))
    form.wait("document.querySelector('[data-key=\"earlier\"]')")
    form.run(
        "{ const box = document.querySelector('[data-key=\"earlier\"]'); box.selectedIndex = 1;"
        " box.dispatchEvent(new Event('change')); }"
    )
    assert form.run(f"{JOB}.dataset") == dataset.uri


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_its_window(page: Page, address: str, tmp_path: Path, width: int, scheme: Any) -> None:
    page.look(width=width, scheme=scheme)
    page.open(f"{address}/#/new")
    page.wait("document.querySelector('.drop')")
    assert page.run("document.documentElement.scrollWidth") <= width
    page.photograph(tmp_path / "new.png")
    assert (tmp_path / "new.png").stat().st_size > 10_000
