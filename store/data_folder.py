"""The data folder of an embedded service, which only its user can read."""

import logging
from pathlib import Path

log = logging.getLogger("retort.settings")
PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Make the folder, or take it from other users where it exists; logs a warning where that is not possible."""
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    mode = folder.stat().st_mode & 0o777
    if mode & ~PRIVATE == 0:
        return
    try:
        folder.chmod(PRIVATE)
    except OSError as error:
        log.warning("other users may read %s (mode %o), and that cannot be changed: %s", folder, mode, error.strerror)
