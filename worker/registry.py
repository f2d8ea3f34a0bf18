"""What this worker is and offers, kept fresh in the workers table while it lives."""

import hashlib
import importlib.metadata
import importlib.util
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from store import workers
from store.database import Database

NVIDIA_SECONDS = 20.0  # nvidia-smi may be slow on a busy or broken driver


@dataclass(frozen=True)
class Registration:
    """One worker as others see it."""

    worker_id: str
    devices: tuple[str, ...]
    slots: int
    version: str
    guards: Mapping[str, bool] = field(default_factory=dict)

    def announce(self, database: Database, draining: bool, unfit: str | None = None) -> None:
        """Say that this worker is there, or still there; `draining`: that it takes no more jobs; `unfit`: why its host
        cannot run any."""
        with database.begin() as session:
            workers.announce(
                session,
                self.worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                devices=self.devices,
                version=self.version,
                slots=self.slots,
                draining=draining,
                unfit=unfit,
                guards=self.guards,
            )

    def withdraw(self, database: Database) -> None:
        """Say that this worker is leaving."""
        with database.begin() as session:
            workers.withdraw(session, self.worker_id)


def new_worker_id() -> str:
    """A name for this process that no other will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"


def devices(environment: Mapping[str, str], nodes: Path = Path("/dev")) -> tuple[str, ...]:
    """The GPUs that an engine would see, by name and memory, then `cpu`; no torch is asked. What asks for GPUs is run
    by workers alone that name as many."""
    gpus = _listed()
    if gpus is None:
        gpus = ["NVIDIA GPU" for _ in nodes.glob("nvidia[0-9]*")]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return (*(gpus if visible is None else _visible(gpus, visible)), "cpu")


def device_kind(spec: Mapping[str, Any]) -> str:
    """What an engine of this worker computes a job on: gpu, or cpu where there is none or the spec asks for it."""
    return "gpu" if _has_gpu() and spec["training"]["devices"] != "cpu" else "cpu"


@cache
def _has_gpu() -> bool:
    return len(devices(os.environ)) > 1


def _listed() -> list[str] | None:
    """What the driver's program lists; None where there is none (a container may lack it and have GPUs) or it takes too
    long."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=True).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    except subprocess.CalledProcessError:
        return []
    return [line.strip() for line in listed.splitlines() if line.strip()]


def _visible(gpus: list[str], chosen: str) -> list[str]:
    """Those that CUDA_VISIBLE_DEVICES names, by number or id; CUDA leaves out all from the first unknown one on."""
    found = []
    for name in chosen.replace(" ", "").split(","):
        if name.isdecimal() and int(name) < len(gpus):
            found.append(gpus[int(name)])
        elif gpus and name.startswith(("GPU-", "MIG-")):
            found.append(name)
        else:
            break
    return found


@cache
def version() -> str:
    """Of Retort and of the engine's source, so that an edited engine is told from the released one."""
    found = importlib.util.find_spec("core")
    digest = hashlib.sha256()
    if found is not None and found.origin is not None:
        for source in sorted(Path(found.origin).parent.rglob("*.py")):
            digest.update(source.read_bytes())
    try:
        released = importlib.metadata.version("retort-service")
    except importlib.metadata.PackageNotFoundError:
        released = "0"
    return f"{released}+{digest.hexdigest()[:12]}"
