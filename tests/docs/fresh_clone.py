"""A fresh clone of the checkout, in which the commands of the documentation run as a reader would type them.

The clone has the checkout's uncommitted changes. Its `.venv` is an environment of its own, so that programs import the
clone's code; the installed packages are those of the environment that runs the tests, since installing them again would
take minutes and a package index.
"""

import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAMPS = (".embedded", ".test")


def make_fresh_clone(folder: Path) -> Path:
    """Clone the checkout into `folder` and give the clone a `.venv`; the path of the clone."""
    clone = folder / "retort"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    _copy_changes(clone)
    if (ROOT / "node_modules").exists():
        (clone / "node_modules").symlink_to(ROOT / "node_modules")
    _make_environment(clone / ".venv", clone)
    return clone


def environment(home: Path) -> dict[str, str]:
    """The variables of a reader's shell with the home folder `home`, and nothing of the tests."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RETORT_", "PYTEST_", "PYTHON", "VIRTUAL_ENV", "MAKE"))
    }
    return {**own, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


def _copy_changes(clone: Path) -> None:
    """Bring what is not committed: changed, new and deleted files, but none that git ignores."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--modified", "--others", "--exclude-standard"]
    for name in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0"):
        source, target = ROOT / name, clone / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        elif name:
            target.unlink(missing_ok=True)


def _make_environment(folder: Path, clone: Path) -> None:
    """An environment that imports the clone's packages first, then what the tests' environment holds."""
    venv.create(folder, symlinks=True)
    installed = Path(site.getsitepackages()[0])
    editable = [line for path in installed.glob("*.pth") for line in path.read_text().splitlines()]
    own = [str(clone / Path(line).relative_to(ROOT)) for line in editable if Path(line).is_relative_to(ROOT)]
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "clone.pth").write_text("\n".join([*own, f"import site; site.addsitedir({str(installed)!r})", ""]))
    for script in (Path(sys.prefix) / "bin").iterdir():
        if not (folder / "bin" / script.name).exists():
            _copy_script(script, folder)
    for stamp in STAMPS:  # newer than the locks: nothing is to be installed
        (folder / stamp).touch()


def _copy_script(script: Path, folder: Path) -> None:
    """A program of the tests' environment; one that is a script runs by the new environment's Python."""
    content = script.read_bytes()
    target = folder / "bin" / script.name
    if content.startswith(b"#!"):
        target.write_bytes(content.replace(sys.prefix.encode(), str(folder).encode()))
        target.chmod(0o755)
    else:
        target.symlink_to(script)
