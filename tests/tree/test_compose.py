"""docker-compose.yml, read by the compose tool itself: it is valid, and every promise it makes about safety holds.

No image is built and no container runs here: that needs a Docker engine.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from guarded import missing

ROOT = Path(__file__).parents[2]
SECRETS = {"POSTGRES_PASSWORD": "pw1", "REDIS_PASSWORD": "pw2", "RETORT_SECRETS_KEY": "BwcHBwcH"}
SERVICES = ("api", "worker", "migrate", "redis", "postgres")


def compose(*arguments: str, secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("docker-compose")
    if tool is None:
        missing("docker-compose is not installed (Debian: apt-get install docker-compose)")
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    command = [tool, "--project-directory", str(ROOT), "-f", str(ROOT / "docker-compose.yml"), *arguments]
    return subprocess.run(command, env=kept | secrets, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> Any:
    done = compose("--profile", "gpu", "config", secrets=SECRETS)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


@pytest.mark.parametrize("missing", SECRETS)
def test_there_is_no_default_password(missing: Any) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    done = compose("config", secrets=given)
    assert done.returncode != 0
    assert f"set {missing}" in done.stderr


def test_every_service_is_hardened(services: Any) -> None:
    assert set(SERVICES) <= set(services)
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name


def test_only_the_api_is_published_and_on_loopback(services: Any) -> None:
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert list(published) == ["api"]
    assert [str(port).startswith("127.0.0.1:") for port in published["api"]] == [True]


def test_servers_are_reached_only_from_the_inside(services: Any) -> None:
    for name in ("redis", "postgres", "migrate"):
        assert list(services[name]["networks"]) == ["inside"]


def test_api_and_worker_wait_for_the_migration_and_have_time_to_stop(services: Any) -> None:
    for name in ("api", "worker", "worker-gpu"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert services[name]["depends_on"]["redis"]["condition"] == "service_healthy"
        assert services[name]["stop_grace_period"] == "40s"
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert services["migrate"]["restart"] == "no"


def test_the_queue_survives_and_forgets_nothing(services: Any) -> None:
    command = " ".join(services["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "--requirepass" in command
    assert "pw2" not in command
    assert services["redis"]["volumes"] == ["redis:/data:rw"]


def test_servers_have_health_checks(services: Any) -> None:
    assert all(services[name]["healthcheck"]["test"] for name in ("redis", "postgres", "api"))


def test_the_targets_exist_in_the_dockerfile(services: Any) -> None:
    text = (ROOT / "Dockerfile").read_text()
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets == {"api", "worker"}
    assert all(f" AS {target}\n" in text for target in targets)


def test_a_gpu_is_asked_for_only_under_its_profile(services: Any) -> None:
    assert services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]

    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert not [name for name in SERVICES if "profiles" in services[name]]
