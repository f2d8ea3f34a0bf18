"""Who may import whom, complete. import-linter follows the same arrows through several hops (`make lint`)."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# Import name -> its folder.
PARTS = {
    "api": "api",
    "worker": "worker",
    "core": "core",
    "store": "store",
    "migrations": "migrations",
    "retort": "client/retort",
}
ALLOWED = {
    "api": ("api", "store", "core.spec", "core.errors"),
    "worker": ("worker", "store", "core.spec", "core.events", "core.errors", "core.policy"),
    "migrations": ("migrations", "store"),
    "store": ("store", "core.spec", "core.errors"),
    "retort": ("retort",),
    "core": ("core",),
}
TORCH_FREE = ("core.spec", "core.events", "core.errors", "core.policy", "api.app", "worker.app", "retort.cli")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from core import spec` is an import of core.spec
            plain = node.module in PARTS
            names |= {f"{node.module}.{alias.name}" if plain else node.module for alias in node.names}
    return {name for name in names if name.partition(".")[0] in PARTS}


def within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in allowed)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_the_design_allows(part: Any) -> None:
    strangers = {
        str(path.relative_to(ROOT)): wrong
        for path in (ROOT / PARTS[part]).rglob("*.py")
        if (wrong := {name for name in imported(path) if not within(name, ALLOWED[part])})
    }
    assert not strangers


@pytest.mark.parametrize("module", TORCH_FREE)
def test_importing_leaves_torch_out(module: Any) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'torchvision')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_core_reads_no_environment_variable() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "core").rglob("*.py")
        if any(word in path.read_text() for word in ("os.environ", "os.getenv"))
    ]
    assert not readers
