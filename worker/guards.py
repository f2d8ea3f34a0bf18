"""What keeps engine processes in their bounds on this machine: a user of their own, limits of the kernel, a filter of
the network, and no view of the worker."""

import ctypes
import logging
import os
import platform
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from store.settings import Settings
from worker.engine_limits import memory_bytes

PR_SET_DUMPABLE = 4
SECCOMP = Path("/proc/sys/kernel/seccomp/actions_avail")
FILTERED_MACHINES = ("x86_64", "aarch64")  # those that core.system.no_network knows
logger = logging.getLogger(__name__)


class GuardsUnusable(Exception):
    """RETORT_ENGINE_USER cannot be obeyed; the message says why, and what to do."""


@dataclass(frozen=True)
class EngineUser:
    """The user that engines run as, where it is not the worker's."""

    name: str
    uid: int
    gid: int

    def give(self, folder: Path) -> None:
        """Make the user the owner of a folder and of all in it; links are not followed."""
        for path in (folder, *folder.rglob("*")):
            if path.lstat().st_uid != self.uid:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


@dataclass(frozen=True)
class Guards:
    """The bounds of one worker's engines."""

    max_file_bytes: int
    """The largest file that an engine may write."""
    user: EngineUser | None = None
    """None: the worker's own user."""
    filters_network: bool = False
    limits_memory: bool = False

    def active(self) -> dict[str, bool]:
        """Which guards hold here, by name, as GET /v1/workers shows them."""
        return {
            "own_user": self.user is not None,
            "worker_hidden": self.user is not None or (os.geteuid() != 0 and sys.platform == "linux"),
            "network_filter": self.filters_network,
            "memory_limit": self.limits_memory,
        }


def guards_of(settings: Settings) -> Guards:
    """The guards that the settings ask for and this machine offers. Raises GuardsUnusable."""
    has_filter = sys.platform == "linux" and platform.machine() in FILTERED_MACHINES and SECCOMP.exists()
    return Guards(
        max_file_bytes=max(settings.max_download_bytes, settings.max_extracted_bytes, settings.max_teacher_pass_bytes),
        user=_user(settings),
        filters_network=has_filter and not settings.network_after_inputs,
        limits_memory=memory_bytes() is not None,
    )


def hide_worker() -> None:
    """Keep processes of the same user from reading this one's memory and environment in /proc, and from tracing it.

    What this process starts is not hidden: a program that is executed begins anew. A process of root sees all.
    """
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        logger.warning("the worker cannot hide its memory from its engines: prctl was refused")


def _user(settings: Settings) -> EngineUser | None:
    name = settings.engine_user
    if name is None:
        return None
    if os.geteuid() != 0:
        raise GuardsUnusable(
            f"RETORT_ENGINE_USER={name}: only root may start processes of another user, and this worker is no root; "
            "start it as root, or leave the setting away"
        )
    if settings.is_embedded:
        raise GuardsUnusable(
            f"RETORT_ENGINE_USER={name}: an embedded service keeps its database in the data folder, which no other "
            "user may enter; use PostgreSQL, or leave the setting away"
        )
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise GuardsUnusable(f"RETORT_ENGINE_USER={name}: there is no such user on this machine") from None
    if found.pw_uid == 0:
        raise GuardsUnusable(f"RETORT_ENGINE_USER={name}: this user is root; name one without privileges")
    _check_passable(settings.data_dir.absolute(), name)
    return EngineUser(name, found.pw_uid, found.pw_gid)


def _check_passable(folder: Path, name: str) -> None:
    """Raise GuardsUnusable unless every user may pass through the folder and those above it."""
    for above in (folder, *folder.parents):
        if above.exists() and not above.stat().st_mode & stat.S_IXOTH:
            raise GuardsUnusable(
                f"RETORT_ENGINE_USER={name}: other users may not pass through {above}; allow it by "
                f"`chmod o+x {above}`, or set RETORT_DATA_DIR elsewhere"
            )
