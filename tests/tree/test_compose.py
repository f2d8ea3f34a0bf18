"""docker-compose.yml, read by the compose tool itself: it is valid, and every promise it makes about safety holds.

`.ci/containers` builds the images and looks the promises up in running containers.
"""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from guarded import missing

ROOT = Path(__file__).parents[2]
SERVICES = ("proxy", "api", "worker", "migrate", "redis", "postgres", "objects")


def compose(*arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("docker-compose")
    if tool is None:
        missing("docker-compose is not installed (Debian: apt-get install docker-compose)")
    command = [tool, "--project-directory", str(ROOT), "-f", str(ROOT / "docker-compose.yml"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def everything() -> Any:
    done = compose("--profile", "gpu", "config")
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.fixture(scope="module")
def services(everything: Any) -> Any:
    return everything["services"]


def test_each_secret_is_a_file_that_the_script_makes_and_keeps(everything: Any, tmp_path: Path) -> None:
    script = ["sh", str(ROOT / "deploy/make-secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {Path(secret["file"]).name for secret in everything["secrets"].values()} <= set(made)
    assert all(made.values()) and len(base64.b64decode(made["retort_secrets_key"])) == 32
    assert json.loads(made["s3.json"])["identities"][0]["credentials"] == [
        {"accessKey": made["retort_blob_access_key_id"], "secretKey": made["retort_blob_secret_access_key"]}
    ]
    assert f":{made['postgres_app_password']}@" in made["retort_database_url"]
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run(script, check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_no_password_is_in_an_environment_or_a_command(services: Any) -> None:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            assert not re.search("PASSWORD$|SECRET|KEY|DATABASE_URL|BROKER_URL", variable), name
            assert "://" not in str(value) or "@" not in str(value), name


def test_images_are_pinned_by_digest(services: Any) -> None:
    for name in ("proxy", "redis", "postgres", "objects"):
        assert re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", services[name]["image"]), name


def test_every_service_is_hardened(services: Any) -> None:
    assert set(SERVICES) <= set(services)
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert service["mem_limit"] and service["pids_limit"], name


def test_only_the_proxy_is_published_and_on_loopback(services: Any) -> None:
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert list(published) == ["proxy"]
    assert [str(port).startswith("127.0.0.1:") for port in published["proxy"]] == [True]


def test_servers_are_reached_only_from_the_inside(services: Any) -> None:
    for name in ("redis", "postgres", "objects", "migrate"):
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
    assert "requirepass" in command
    assert services["redis"]["volumes"] == ["redis:/data:rw"]


def test_servers_have_health_checks(services: Any) -> None:
    assert all(services[name]["healthcheck"]["test"] for name in ("redis", "postgres", "objects", "api"))


def test_the_targets_exist_in_the_dockerfile(services: Any) -> None:
    text = (ROOT / "Dockerfile").read_text()
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets == {"api", "worker"}
    assert all(f" AS {target}\n" in text for target in targets)


def test_a_gpu_is_asked_for_only_under_its_profile(services: Any) -> None:
    assert services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]

    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert not [name for name in SERVICES if "profiles" in services[name]]
