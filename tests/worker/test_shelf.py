"""What is on the operator's shelf reaches the API when it changes."""

import json
from pathlib import Path

import pytest

from store.catalogues import catalogue
from store.database import Database
from store.settings import Settings
from worker.shelf import KIND, ShelfWatch

ENTRY = {
    "sha256": "0" * 64,
    "size_bytes": 10,
    "num_params": 2,
    "num_classes": 1000,
    "source": "given.pt",
    "source_sha256": "1" * 64,
    "added_at": "2026-11-30T07:00:00Z",
}


def put(folder: Path, architecture: str, *names: str) -> None:
    path = folder / "records" / f"{architecture}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"architecture": architecture, "names": [architecture, *names], **ENTRY}))


def published(database: Database) -> list[str] | None:
    with database.read() as session:
        found = catalogue(session, KIND)
    return found.data if found is not None else None


@pytest.mark.slow
def test_names_are_published_when_the_folder_changes(tmp_path: Path, database: Database) -> None:
    settings = Settings(data_dir=tmp_path)
    watch = ShelfWatch(settings, database)
    watch.look()
    assert published(database) == []
    put(tmp_path / "weights", "timm/resnet10t", "timm/resnet10t.c3_in1k")
    watch.look()
    assert published(database) == ["timm/resnet10t", "timm/resnet10t.c3_in1k"]
    (tmp_path / "weights/records/timm/resnet10t.json").write_text("{}")
    with pytest.raises(RuntimeError, match="timm/resnet10t"):
        watch.look()
    (tmp_path / "weights/records/timm/resnet10t.json").unlink()
    watch.look()
    assert published(database) == []


def test_an_unchanged_shelf_is_not_read_again(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "weights", "timm/resnet10t")
    watch = ShelfWatch(Settings(data_dir=tmp_path), database)
    monkeypatch.setattr(watch, "_names", lambda: ["timm/resnet10t"])
    watch.look()
    monkeypatch.setattr(watch, "_names", lambda: pytest.fail("the shelf is as it was"))
    watch.look()
    assert published(database) == ["timm/resnet10t"]
