"""The Kubernetes and the compose form of a training over several hosts: parsed, and their parts fit each other."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from guarded import missing

from core.__main__ import _parser
from core.spec import parse_job

ROOT = Path(__file__).parents[2]
VALUES = {"HOSTS": "3", "RENDEZVOUS": "host0:29500", "SPEC": "/srv/job.json", "WORK": "/srv/work"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def objects() -> Any:
    text = (ROOT / "deploy/kubernetes/multi-host.yaml").read_text()
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(objects: Any) -> Any:
    return objects["Job"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def engine(pod: Any) -> Any:
    (container,) = pod["containers"]
    return container


def compose(values: Any) -> Any:
    tool = shutil.which("docker-compose")
    if tool is None:
        missing("docker-compose is not installed (Debian: apt-get install docker-compose)")
    kept = {name: value for name, value in os.environ.items() if name not in VALUES}
    command = [tool, "-f", str(ROOT / "deploy/multi-host.yml"), "config"]
    return subprocess.run(command, env=kept | values, capture_output=True, text=True, check=False)


def test_every_pod_knows_how_many_they_are_and_where_they_meet(objects: Any, engine: Any) -> None:
    job, service = objects["Job"], objects["Service"]
    options = _parser().parse_args(engine["args"])
    assert job["spec"]["completionMode"] == "Indexed"
    assert options.hosts == job["spec"]["completions"] == job["spec"]["parallelism"]
    host, _, port = options.rendezvous.partition(":")
    # An indexed job's first pod has the job's name and 0; its subdomain is the headless service.
    assert host == f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert int(port) in [each["port"] for each in service["spec"]["ports"]]


def test_the_pods_find_each_other_by_name_before_they_are_ready(objects: Any, pod: Any) -> None:
    service = objects["Service"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"job-name": objects["Job"]["metadata"]["name"]}


def test_the_job_is_valid_and_takes_the_gpus_of_a_pod(objects: Any, engine: Any) -> None:
    spec = parse_job(json.loads(objects["ConfigMap"]["data"]["job.json"]))
    kind, _, count = spec.training.devices.partition(":")
    assert kind == "cuda" and int(count) == engine["resources"]["limits"]["nvidia.com/gpu"]
    assert spec.training.batch_size % (int(count) * objects["Job"]["spec"]["completions"]) == 0


def test_everything_that_the_command_names_is_mounted(objects: Any, pod: Any, engine: Any) -> None:
    options = _parser().parse_args(engine["args"])
    mounts = {mount["mountPath"]: mount["name"] for mount in engine["volumeMounts"]}
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    for path in (options.spec, options.out, options.cache):
        assert any(path.is_relative_to(mount) for mount in mounts), path
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["work"]["persistentVolumeClaim"]["claimName"] == objects["PersistentVolumeClaim"]["metadata"]["name"]
    assert objects["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert options.resume


def test_the_pods_run_as_the_images_user_without_rights(pod: Any, engine: Any) -> None:
    user = pod["securityContext"]["runAsUser"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {user}:{pod['securityContext']['runAsGroup']}" in DOCKERFILE
    rights = engine["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True and rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}


def test_the_compose_form_runs_the_same_command(engine: Any) -> None:
    done = compose(VALUES)
    assert done.returncode == 0, done.stderr
    service = yaml.safe_load(done.stdout)["services"]["training"]
    assert service["command"][:3] == engine["command"]
    options = _parser().parse_args(service["command"][3:])
    theirs = _parser().parse_args(engine["args"])
    assert (options.hosts, options.rendezvous, options.resume) == (3, "host0:29500", True)
    assert (options.out, options.cache) == (theirs.out, theirs.cache)
    assert service["network_mode"] == "host"
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["image"] == engine["image"]
    mounted = json.dumps(service["volumes"])
    assert "/srv/job.json" in mounted and "/srv/work" in mounted


@pytest.mark.parametrize("missing", VALUES)
def test_the_compose_form_has_no_default_that_would_be_wrong(missing: Any) -> None:
    done = compose({name: value for name, value in VALUES.items() if name != missing})
    assert done.returncode != 0
    assert f"set {missing}" in done.stderr
