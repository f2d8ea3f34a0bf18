"""The packages that check web/: pinned, from no named registry, and never part of what is installed or deployed."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MANIFEST: dict[str, Any] = json.loads((ROOT / "package.json").read_text())
LOCK: dict[str, Any] = json.loads((ROOT / "package-lock.json").read_text())
PACKAGES: dict[str, dict[str, Any]] = {path: package for path, package in LOCK["packages"].items() if path}


def test_every_package_has_one_version_and_a_hash() -> None:
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in MANIFEST["devDependencies"].values())
    assert LOCK["packages"][""]["devDependencies"] == MANIFEST["devDependencies"]
    assert len(PACKAGES) > 50
    assert [path for path, package in PACKAGES.items() if not package.get("integrity", "").startswith("sha512-")] == []


def test_the_lock_names_no_registry() -> None:
    assert [path for path, package in PACKAGES.items() if "resolved" in package] == []
    settings = (ROOT / ".npmrc").read_text()
    assert "omit-lockfile-registry-resolved=true" in settings
    assert "registry=" not in settings.replace("omit-lockfile-registry-resolved=", "")


def test_only_checks_need_node() -> None:
    assert "dependencies" not in MANIFEST and "scripts" not in MANIFEST
    assert [path for path, package in PACKAGES.items() if not package.get("dev")] == []
    assert "ignore-scripts=true" in (ROOT / ".npmrc").read_text().splitlines()


@pytest.mark.parametrize("ignoring", [".gitignore", ".dockerignore"])
def test_node_modules_are_not_shipped(ignoring: str) -> None:
    lines = (ROOT / ignoring).read_text().splitlines()
    assert "/node_modules/" in lines or (lines[0] == "*" and "!node_modules" not in lines)


def test_every_script_and_style_of_the_page_is_tracked() -> None:
    page = (ROOT / "web/index.html").read_text()
    tracked = set(subprocess.check_output(["git", "ls-files", "web"], cwd=ROOT, text=True).split())
    named = re.findall(r'(?:href|src)="/(web/[^"]+)"', page)
    assert len(named) > 5 and set(named) <= tracked


def test_a_missing_npm_is_named_and_fails(tmp_path: Path) -> None:
    """`make lint` must not pass without the checks of web/."""
    for name in ("Makefile", "package.json", "package-lock.json", ".npmrc"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    for program in ("make", "sh"):
        found = subprocess.check_output(["sh", "-c", f"command -v {program}"], text=True).strip()
        (tmp_path / program).symlink_to(found)
    command = [str(tmp_path / "make"), "node_modules/.package-lock.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "npm" in done.stderr and "web/" in done.stderr
