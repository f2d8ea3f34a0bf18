"""docs/reference/ is what `make docs` makes of the code as it is."""

from pathlib import Path

import pytest

from core.errors import RetortError
from core.spec import KNOBS, JobSpec
from docs.generator.__main__ import FOLDER, PAGES, outdated
from docs.generator.schema import type_words
from store.settings import PREFIX, Settings


def test_every_page_is_up_to_date() -> None:
    assert outdated(FOLDER) == [], "run `make docs`"
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_a_missing_and_a_changed_page_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "settings.md").write_text(PAGES["settings.md"]().replace("RETORT_SLOTS", "RETORT_SLOT"))
    (tmp_path / "events.md").write_text(PAGES["events.md"]())
    assert set(outdated(tmp_path)) == set(PAGES) - {"events.md"}


def test_the_pages_hold_every_name_of_the_code() -> None:
    pages = {name: (FOLDER / name).read_text() for name in PAGES}
    assert all(f"## {method}\n" in pages["methods.md"] for method in KNOBS if method != "combined")
    assert all(f"| `{field}` |" in pages["spec.md"] for field in JobSpec.model_fields)
    assert all(f"`{PREFIX}{field.upper()}`" in pages["settings.md"] for field in Settings.model_fields)
    assert all(f"`{error.code}`" in pages["errors.md"] for error in RetortError.__subclasses__() if error.code)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1}, "integer (at least 1)"),
        ({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "auto"}]}, "number (above 0) or `auto`"),
        ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"$ref": "#/$defs/Budget"}, "[Budget](#budget)"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
    ],
)
def test_types_are_written_for_people(schema: dict[str, object], words: str) -> None:
    assert type_words(schema) == words
