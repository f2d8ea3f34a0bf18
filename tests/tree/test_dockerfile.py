"""The Dockerfile, read as text; `.ci/containers` builds it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [line for line in TEXT.splitlines() if line.strip() and not line.startswith(("#", "ARG "))]


def stages() -> dict[str, tuple[str, list[str]]]:
    """Stage -> (what it starts from, its instructions)."""
    found: dict[str, tuple[str, list[str]]] = {}
    for line in INSTRUCTIONS:
        if start := re.match(r"FROM (\S+) AS (\S+)$", line):
            body: list[str] = []
            found[start[2]] = (start[1], body)
        else:
            body.append(line)
    return found


def lineage(stage: str) -> list[str]:
    """All instructions of a stage and of the stages it starts from, oldest first."""
    origin, body = stages()[stage]
    return (lineage(origin) if origin in stages() else []) + body


@pytest.mark.parametrize("target", ["api", "worker"])
def test_a_target_runs_as_a_user_without_rights(target: str) -> None:
    users = [line.split()[1] for line in lineage(target) if line.startswith("USER ")]
    assert users[-1] == "10001:10001"
    assert any(line.startswith("CMD [") for line in stages()[target][1])


def test_the_api_image_holds_no_torch() -> None:
    copied = [line for line in lineage("api") if line.startswith("COPY --from=")]
    assert copied == ["COPY --from=api-packages /opt/retort /opt/retort"]
    assert "COPY requirements/api.txt /tmp/requirements.txt" in stages()["api-packages"][1]


def test_what_is_copied_is_in_the_repository_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for line in INSTRUCTIONS:
        if line.startswith("COPY ") and "--from=" not in line:
            for source in line.split()[1:-1]:
                assert any(path == source or path.startswith(source + "/") for path in tracked), source
                assert source.split("/")[0] in kept, source


def test_stages_that_are_copied_from_exist() -> None:
    assert set(re.findall(r"--from=(\S+)", TEXT)) <= set(stages())


def test_packages_come_with_hashes_and_from_no_named_index() -> None:
    installs = [part for line in INSTRUCTIONS for part in re.findall(r"pip install[^&]*", line)]
    assert len(installs) == 5
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    assert not re.search(r"--(extra-)?index-url|--trusted-host|https?://(?!127\.0\.0\.1)", TEXT)


def test_what_everything_starts_from_is_pinned_by_its_digest() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=python:[\d.]+-slim-bookworm@sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE)
    assert {origin for origin, _ in stages().values()} - set(stages()) == {"${PYTHON_IMAGE}"}


def test_a_builder_that_makes_all_stages_before_its_target_makes_no_torch_for_the_api() -> None:
    names = list(stages())
    assert names.index("api") < names.index("worker-packages")


def test_the_api_tells_its_health() -> None:
    assert any(line.startswith("HEALTHCHECK") and "/readyz" in line for line in stages()["api"][1])
