"""A file: URI means that very path, inside the opened folders."""

from pathlib import Path

import pytest

from core.spec.uris.files import find
from core.spec.uris.reason import Unreachable

EVERYWHERE = (Path("/"),)
NAMES = (
    *("plain.zip", "my photos.zip", "set#2.zip", "what?.zip", "100%.zip", "a%20b.zip", "50%25.zip", "a+b.zip"),
    *("\u00fcber;x=1&y.zip", "[1]*.zip", "#", "?a=b", "%"),
)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_found_escaped_and_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"zip")
    assert find((tmp_path / name).as_uri(), EVERYWHERE) == (tmp_path / name).resolve()
    assert find(f"file://{tmp_path}/{name}", EVERYWHERE) == (tmp_path / name).resolve()


def test_the_unescaped_path_comes_first(tmp_path: Path) -> None:
    for name in ("a b.zip", "a%20b.zip"):
        (tmp_path / name).write_bytes(b"zip")
    assert find(f"file://{tmp_path}/a%20b.zip", EVERYWHERE).name == "a b.zip"
    assert find(f"file://{tmp_path}/a%2520b.zip", EVERYWHERE).name == "a%20b.zip"


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "file:{}"])
def test_forms_of_the_uri(tmp_path: Path, form: str) -> None:
    (tmp_path / "x").write_bytes(b"x")
    assert find(form.format(tmp_path / "x"), EVERYWHERE) == (tmp_path / "x").resolve()


def test_what_is_missing_is_answered_with_what_resembles_it(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"zip")
    with pytest.raises(Unreachable, match="no such file") as caught:
        find(f"file://{tmp_path}/photo.zip", EVERYWHERE)
    assert "'photos.zip'" in caught.value.hint


def test_nothing_is_guessed_outside_the_opened_folders(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"zip")
    (tmp_path / "open").mkdir()
    with pytest.raises(Unreachable, match="outside the folders") as caught:
        find(f"file://{tmp_path}/photo.zip", (tmp_path / "open",))
    assert caught.value.hint == ""


def test_an_escaped_way_out_is_not_taken_for_a_name(tmp_path: Path) -> None:
    (tmp_path / "open" / "%2e%2e").mkdir(parents=True)
    (tmp_path / "open" / "%2e%2e" / "x").write_bytes(b"inside")
    (tmp_path / "x").write_bytes(b"outside")
    assert find(f"file://{tmp_path}/open/%2e%2e/x", (tmp_path / "open",)).read_bytes() == b"inside"
    with pytest.raises(Unreachable, match="outside the folders"):
        find(f"file://{tmp_path}/open/%2e%2e/y", (tmp_path / "open",))


def test_a_path_that_no_system_takes_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"cannot be read|no such file"):
        find(f"file://{tmp_path}/{'x' * 5000}", EVERYWHERE)
    with pytest.raises(Unreachable, match="absolute path"):
        find("file:///a%00b", EVERYWHERE)
