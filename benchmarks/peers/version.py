"""Which state of a peer was measured: the commit of a checkout, the version of an installed package."""

import subprocess
from importlib import metadata
from pathlib import Path


def version_of(package: str, checkout: Path | None) -> str | None:
    """The commit of the checkout, "-dirty" where its files are not the commit's; without one, the installed version.

    None where the package tells none, or the checkout is in no git repository, or in another's, which tracks none of
    its files.
    """
    if checkout is None:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return None
    if not _git(checkout, "ls-files", "--", "."):
        return None
    return _git(checkout, "describe", "--always", "--dirty", "--exclude=*")


def _git(folder: Path, *words: str) -> str | None:
    """What the command says; None where it fails, or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None
