"""Walk through a running docker-compose.yml as its users would: `.ci/containers` starts it and calls this.

A job is submitted from outside, through the proxy. While it trains, the process of its worker is killed, later those of
the queue and of the object store; it succeeds all the same, and what is downloaded is what was announced. On the way
every promise about safety is looked up in the containers themselves.
"""

import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retort import Retort

DOCKER = "/usr/bin/docker"
ADDRESS = f"http://localhost:{os.environ['RETORT_PORT']}"
SERVICES = {"proxy", "api", "worker", "redis", "postgres", "objects"}
JOB = {
    "dataset": {"uri": "builtin:digits", "max_per_class": 60},
    "student": "nano",
    "method": "scratch",
    "training": {"epochs": 25, "batch_size": 32, "devices": "cpu", "checkpoint_seconds": 0.1},
    "exports": ["safetensors"],
}
SUPERUSER = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
TRY_SQL = """
import sys
from sqlalchemy import create_engine, text
from store.settings import Settings
with create_engine(Settings.load().url).connect() as connection:
    print(connection.execute(text(sys.argv[1])).scalar_one())
"""


def main() -> None:
    """Raise AssertionError at the first promise that is not kept."""
    until(lambda: set(running()) == SERVICES, "all services run")
    until(is_ready, "the service is ready")
    check_hardening()
    check_database_role()
    check_published()
    job_id = survive_kills(new_key())
    check_secrets_are_nowhere()
    print(f"containers: {job_id} succeeded")


def survive_kills(key: str) -> str:
    """A job ends well though its worker, then the queue and the store of its results die; its id."""
    with Retort(ADDRESS, api_key=key) as retort:
        job = retort.submit(**JOB)
        until(lambda: "checkpoint" in kinds(key, job.id), "the job has a checkpoint")
        kill("worker")
        until(lambda: len(get(f"/v1/jobs/{job.id}", key)["attempts"]) > 1, "another attempt began")
        kill("redis")
        kill("objects")
        job.wait(timeout_seconds=300)
        assert job.view["state"] == "succeeded"
        with tempfile.TemporaryDirectory() as folder:
            for path in job.download(folder):
                print(f"containers: {path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return job.id


def check_hardening() -> None:
    """No process has rights, and none can write where the image is; each has a limit of memory and of processes."""
    for service, container in running().items():
        facts = json.loads(docker("inspect", container))[0]
        host = facts["HostConfig"]
        assert host["ReadonlyRootfs"] and host["Memory"] and host["PidsLimit"], service
        status = Path(f"/proc/{facts['State']['Pid']}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert "0" not in fields["Uid"].split(), (service, fields["Uid"])
        assert (int(fields["CapEff"], 16), int(fields["CapBnd"], 16), fields["NoNewPrivs"]) == (0, 0, "1"), service
        assert not any("PASSWORD=" in entry or "SECRET" in entry for entry in facts["Config"]["Env"] or ()), service
        tried = subprocess.run([DOCKER, "exec", container, "touch", "/x"], capture_output=True, text=True)
        assert tried.returncode and "Read-only" in tried.stderr, (service, tried.stderr)


def check_database_role() -> None:
    """API and workers can neither manage the database nor change its tables."""
    assert sql(SUPERUSER).stdout.strip() == "False"
    for statement in ("DROP TABLE jobs", "CREATE TABLE x (y int)", "COPY jobs TO PROGRAM 'true'"):
        assert "InsufficientPrivilege" in sql(statement).stderr, statement


def check_published() -> None:
    """Only the proxy can be reached, and from this machine alone."""
    bound = {}
    for service, container in running().items():
        ports = json.loads(docker("inspect", container))[0]["NetworkSettings"]["Ports"]
        if addresses := [one["HostIp"] for each in ports.values() for one in each or ()]:
            bound[service] = set(addresses)
    assert bound == {"proxy": {"127.0.0.1"}}, bound


def check_secrets_are_nowhere() -> None:
    """No log has a password."""
    logs = compose("logs", "--no-color")
    for path in Path(os.environ["RETORT_SECRETS"]).iterdir():
        assert path.read_text() not in logs, path.name


def kill(service: str) -> None:
    """End a container's first process from outside, as the kernel would; Docker starts it again."""
    pid = json.loads(docker("inspect", running()[service]))[0]["State"]["Pid"]
    os.kill(pid, signal.SIGKILL)
    print(f"containers: killed {service}")


def new_key() -> str:
    """The key of an administrator."""
    return compose("exec", "-T", "api", "python", "-m", "api.create_key", "--name", "walk").split()[-1]


def sql(statement: str) -> subprocess.CompletedProcess[str]:
    """What one statement gives to the role of the API."""
    command = ["docker-compose", "exec", "-T", "api", "python", "-c", TRY_SQL, statement]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kinds(key: str, job_id: str) -> set[str]:
    """The kinds of the events of a job so far."""
    assert get(f"/v1/jobs/{job_id}", key)["state"] in ("queued", "running"), get(f"/v1/jobs/{job_id}", key)
    return {event["kind"] for event in get(f"/v1/jobs/{job_id}/events", key)["data"]}


def running() -> dict[str, str]:
    """Service -> its container."""
    label = '{{.Label "com.docker.compose.service"}} {{.ID}}'
    lines = docker("ps", "--filter", "status=running", "--format", label).splitlines()
    return dict(line.split() for line in lines)


def is_ready() -> bool:
    """Whether the proxy passes on that jobs are taken and stored, and that a worker lives."""
    try:
        found = get("/readyz")
    except OSError:
        return False
    return bool(found["blob_store"] == "reachable" and found["workers_alive"])


def get(path: str, key: str = "") -> Any:
    """The JSON answer to a request from outside."""
    request = urllib.request.Request(ADDRESS + path, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def until(holds: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"in vain for {seconds:.0f} s: {what}"
        time.sleep(0.5)
    print(f"containers: {what}")


def docker(*arguments: str) -> str:
    """What a command of Docker prints."""
    return subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=True).stdout


def compose(*arguments: str) -> str:
    """What a command of the compose tool prints."""
    return subprocess.run(["docker-compose", *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
