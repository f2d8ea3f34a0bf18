"""What compose file and image set are settings that exist, and the settings read them as meant."""

import re
from pathlib import Path

import pytest

from store.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
KNOWN = {PREFIX + name.upper() for name in Settings.model_fields}
# Of the compose file itself, not of a process.
OUTSIDE = {"RETORT_PORT", "RETORT_SECRETS", "RETORT_WORKER_MEMORY"}


def test_every_setting_in_the_deployment_files_exists() -> None:
    for name in ("docker-compose.yml", "Dockerfile", "README.md"):
        used = set(re.findall(r"RETORT_[A-Z_]+[A-Z]", (ROOT / name).read_text()))
        used = {one for one in used if not one.endswith("_IMAGE")}  # of the compose file
        assert used - KNOWN - OUTSIDE <= {"RETORT_URL", *(one for one in used if one.startswith("RETORT_TEST_"))}, name


def test_the_hosts_of_the_compose_file_are_read_as_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETORT_ALLOWED_HOSTS", "localhost, retort.example.org")
    assert Settings().allowed_hosts == ("localhost", "retort.example.org")
