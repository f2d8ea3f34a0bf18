"""Settings come from RETORT_*, are shown without their secrets, and a misspelt one is told."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.policy import Policy
from store.settings import Settings, masked, unknown_variables

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RETORT_")]:
        monkeypatch.delenv(name)


def printed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "store.settings", *arguments],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_environment_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETORT_SLOTS", "4")
    monkeypatch.setenv("RETORT_FILE_ROOTS", "/data, /models,")
    monkeypatch.setenv("RETORT_PRIVATE_ADDRESSES", "false")
    monkeypatch.setenv("RETORT_NUM_THREADS", "")
    settings = Settings.load()
    assert (settings.slots, settings.file_roots, settings.private_addresses) == (4, ("/data", "/models"), False)
    assert settings.num_threads is None


def test_the_embedded_database_lies_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETORT_DATA_DIR", str(tmp_path))
    assert Settings().url == f"sqlite:///{tmp_path}/retort.db"
    monkeypatch.setenv("RETORT_DATABASE_URL", "postgresql://h/db")
    assert Settings().url == "postgresql://h/db"


@pytest.mark.parametrize(("name", "value"), [("SLOTS", "-1"), ("LEASE_SECONDS", "0"), ("MAX_ATTEMPTS", "many")])
def test_a_value_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RETORT_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()
    done = printed()
    assert done.returncode == 2
    assert f"RETORT_{name}" in done.stderr


def test_a_misspelt_variable_is_told_with_what_it_resembles(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert unknown_variables(["RETORT_SLOT", "RETORT_URL", "RETORT_TEST_REDIS_URL", "HOME", "RETORT_SLOTS"]) == [
        "RETORT_SLOT is not a setting and is ignored; did you mean RETORT_SLOTS or RETORT_PLAN_SLOTS?"
    ]
    monkeypatch.setenv("RETORT_LEASE_SECOND", "5")
    with caplog.at_level(logging.WARNING):
        assert Settings.load().lease_seconds == 60
    assert "RETORT_LEASE_SECONDS" in caplog.text


def test_every_policy_field_has_its_setting_with_the_same_default() -> None:
    """But for the shelf of weights, which the service keeps in its data folder and the engine alone nowhere."""
    settings = Settings()
    in_force = Policy(weights_shelf=str(settings.data_dir.absolute() / "weights"))
    assert Policy.model_validate(settings.policy()) == in_force
    assert set(Settings().policy()) == set(Policy.model_fields)


def test_the_table_fits_and_masks_secrets() -> None:
    secrets = {
        "RETORT_DATABASE_URL": "postgresql+psycopg://retort:p%40ss-w0rd@db:5432/retort",
        "RETORT_BROKER_URL": "redis://:hunter2@redis:6379/0",
    }
    done = printed(**secrets)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    joined = done.stdout.replace(" ", "").replace("\n", "")
    assert "p%40ss" not in joined and "hunter2" not in joined and "***" in joined
    for name in Settings.model_fields:
        assert f"RETORT_{name.upper()} " in done.stdout
    assert lines[0].split() == ["NAME", "MEANING", "VALUE"]


def test_as_json_each_has_name_meaning_value_and_default() -> None:
    done = printed("--json", RETORT_SLOTS="3", RETORT_SLOTZ="1", RETORT_BROKER_URL="redis://u:hunter2@r/0")
    told = {row["name"]: row for row in json.loads(done.stdout)}
    assert (told["RETORT_SLOTS"]["value"], told["RETORT_SLOTS"]["default"]) == ("3", "1")
    assert told["RETORT_BROKER_URL"]["value"] == "redis://u:***@r/0"
    assert all(row["meaning"] for row in told.values())
    assert "RETORT_SLOTZ is not a setting" in done.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hunter2@r:6379/0", "redis://:***@r:6379/0"),
        ("postgresql://user@h/db", "postgresql://user@h/db"),
        ("a, https://u:p@h/x, b", "a, https://u:***@h/x, b"),
        ("postgresql://u:p:q@h/db", "postgresql://u:***@h/db"),
        ("redis://h:6379/0", "redis://h:6379/0"),
    ],
)
def test_passwords_within_urls_are_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_secrets_are_read_from_files_which_the_environment_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETORT_SECRETS_DIR", str(tmp_path))
    (tmp_path / "retort_database_url").write_text("postgresql://retort:pw@db/retort\n")
    (tmp_path / "retort_blob_access_key_id").write_text("key")
    (tmp_path / "retort_blob_secret_access_key").write_text("secret")
    settings = Settings.load()
    assert settings.url == "postgresql://retort:pw@db/retort"
    assert settings.file_roots == ()  # as where the address is in the environment
    monkeypatch.setenv("RETORT_DATABASE_URL", "postgresql://db/other")
    assert Settings.load().url == "postgresql://db/other"
    assert "secret" not in printed(RETORT_SECRETS_DIR=str(tmp_path)).stdout.replace("secrets", "").replace(
        "secret_", ""
    )


def test_an_object_store_is_a_place_with_both_keys_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().object_store() is None
    monkeypatch.setenv("RETORT_BLOB_STORE", "s3://models/retort/a/")
    monkeypatch.setenv("RETORT_BLOB_ENDPOINT", "")
    objects = Settings().object_store()
    assert objects is not None and objects.redirect_seconds is None
    assert (objects.address.bucket, objects.address.prefix, objects.address.endpoint) == ("models", "retort/a", None)
    monkeypatch.setenv("RETORT_BLOB_DOWNLOADS", "redirect")
    objects = Settings().object_store()
    assert objects is not None and objects.redirect_seconds == 300
    for name, value in (("RETORT_BLOB_ACCESS_KEY_ID", "k"), ("RETORT_BLOB_STORE", "https://models")):
        monkeypatch.setenv(name, value)
        with pytest.raises(ValidationError, match=r"both or none|allowed are database and s3:"):
            Settings()
        monkeypatch.delenv(name)
