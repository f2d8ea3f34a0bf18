"""Whether this host can run jobs at all: space, descriptors, an engine that starts, GPUs that work."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Sequence

from store.settings import Settings
from worker.environment import engine_environment
from worker.folder import HeldFolder, attempts_below, cache_below
from worker.registry import devices

PROBE_BYTES = 1 << 20
PROBE_DESCRIPTORS = 32  # more than an attempt needs
ENGINE_SECONDS = 120.0  # to load PyTorch from a cold, slow disk
SHOWN_CHARACTERS = 300


class SelfCheck:
    """Checks the host of one worker. `engine` is the engine's command, `announced` are the worker's devices."""

    def __init__(self, settings: Settings, engine: Sequence[str], announced: Sequence[str]) -> None:
        self._settings = settings
        self._engine = engine
        self._announced = announced
        self._attempts = attempts_below(settings.data_dir)
        self._cache = cache_below(settings.data_dir)

    def quick(self) -> str | None:
        """Why the host cannot run jobs, as far as space and descriptors tell; None where it can. Milliseconds."""
        try:
            return self._lacking_space() or _lacking_descriptors()
        except OSError as error:
            return f"the work folder {self._attempts} cannot be written: {error.strerror}"

    def whole(self) -> str | None:
        """The same, after an engine was started as well, which computes on each GPU. Seconds."""
        return self.quick() or self._lost_gpus() or self._broken_engine()

    def _lacking_space(self) -> str | None:
        self._attempts.mkdir(parents=True, exist_ok=True)
        found = os.statvfs(self._attempts)
        free, needed = found.f_bavail * found.f_frsize, self._settings.min_free_bytes
        if free < needed:
            return (
                f"{free >> 20} MiB are free in the work folder {self._attempts}; needed are {needed >> 20} MiB "
                "(RETORT_MIN_FREE_BYTES)"
            )
        with tempfile.TemporaryFile(dir=self._attempts) as probe:  # sees a quota, or that no file can be made
            os.posix_fallocate(probe.fileno(), 0, min(PROBE_BYTES, max(needed, 1)))
        return None

    def _lost_gpus(self) -> str | None:
        """GPUs that the worker announced and the driver no longer lists."""
        gpus = [device for device in self._announced if device != "cpu"]
        if not gpus:
            return None
        left = len(devices(os.environ)) - 1
        return f"the driver lists {left} of the {len(gpus)} GPUs that it listed before" if left < len(gpus) else None

    def _broken_engine(self) -> str | None:
        """Why an engine does not start or cannot compute."""
        with HeldFolder(self._attempts / f"check_{uuid.uuid4().hex}") as folder:
            environment = engine_environment(
                os.environ, self._settings.engine_env, temporary=folder.temporary, cache=self._cache
            )
            command = [*self._engine, "check"]
            try:
                done = subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                return f"an engine that only checks itself did not end within {ENGINE_SECONDS:.0f} s"
            except OSError as error:
                return f"no engine process can be started: {error.strerror}"
        if done.returncode == 0:
            return None
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return f"an engine that only checks itself failed: {said[-1][:SHOWN_CHARACTERS]}"


def _lacking_descriptors() -> str | None:
    taken: list[int] = []
    try:
        for _ in range(PROBE_DESCRIPTORS):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return f"no {PROBE_DESCRIPTORS} files can be opened: {error.strerror}"
    finally:
        for descriptor in taken:
            os.close(descriptor)
    return None
