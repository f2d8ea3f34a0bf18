"""The manifests for Kubernetes, rendered and held against its own schemas (of the package kubernetes-validate)."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from sqlalchemy import text

from core.spec import parse_job
from store import jobs, leases
from store.database import open_database
from store.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2] / "deploy/kubernetes"
SERVICE = ROOT / "service"
# KEDA's kinds are no part of Kubernetes, and no package brings their schemas: these are the fields that the
# documentation of version 2.17 has, of those kinds and of the trigger postgresql.
REFERENCE = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
KEDA_SPECS: dict[str, dict[str, Any]] = {
    "TriggerAuthentication": {
        "additionalProperties": False,
        "properties": {
            "secretTargetRef": {
                "type": "array",
                "items": {
                    "required": ["parameter", "name", "key"],
                    "additionalProperties": False,
                    "properties": {name: {"type": "string"} for name in ("parameter", "name", "key")},
                },
            }
        },
    },
    "ScaledObject": {
        "required": ["scaleTargetRef", "triggers"],
        "additionalProperties": False,
        "properties": {
            "scaleTargetRef": REFERENCE,
            **{name: {"type": "integer", "minimum": 0} for name in (
                "pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount", "minReplicaCount",
                "maxReplicaCount")},
            "fallback": {"type": "object"},
            "advanced": {
                "additionalProperties": False,
                "properties": {
                    "restoreToOriginalReplicaCount": {"type": "boolean"},
                    "horizontalPodAutoscalerConfig": {
                        "additionalProperties": False,
                        "properties": {"name": {"type": "string"}, "behavior": {"type": "object"}},
                    },
                    "scalingModifiers": {"type": "object"},
                },
            },
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "required": ["type", "metadata"],
                    "additionalProperties": False,
                    "properties": {
                        "type": {"const": "postgresql"},
                        "name": {"type": "string"},
                        "authenticationRef": REFERENCE,
                        "metricType": {"enum": ["AverageValue", "Value"]},
                        "metadata": {
                            "required": ["query", "targetQueryValue"],
                            "additionalProperties": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


def rendered() -> list[dict[str, Any]]:
    """Every object that kustomization.yaml names, in its namespace: it transforms nothing else."""
    kustomization = yaml.safe_load((SERVICE / "kustomization.yaml").read_text())
    assert set(kustomization) == {"apiVersion", "kind", "namespace", "resources"}
    found = [each for name in kustomization["resources"] for each in yaml.safe_load_all((SERVICE / name).read_text())]
    for each in found:
        each["metadata"]["namespace"] = kustomization["namespace"]
    return found


OBJECTS = rendered()
TEMPLATES = {
    each["metadata"]["name"]: each["spec"]["template"] for each in OBJECTS if "template" in each.get("spec", {})
}
PODS = {name: template["spec"] for name, template in TEMPLATES.items()}


def of(kind: str) -> list[dict[str, Any]]:
    return [each for each in OBJECTS if each["kind"] == kind]


@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_an_object_is_valid(manifest: dict[str, Any]) -> None:
    if manifest["apiVersion"] == "keda.sh/v1alpha1":
        return jsonschema.validate(manifest["spec"], KEDA_SPECS[manifest["kind"]])
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_other_manifests_are_valid() -> None:
    for path in (SERVICE / "secret.example.yaml", ROOT / "multi-host.yaml"):
        for manifest in yaml.safe_load_all(path.read_text()):
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_a_misspelt_field_would_be_seen() -> None:
    (broken, *_) = json.loads(json.dumps(of("Deployment")))
    broken["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed; the manifests need none")
def test_kustomize_renders_the_same() -> None:
    done = subprocess.run(["kubectl", "kustomize", SERVICE], capture_output=True, text=True, check=True)
    order = lambda one: (one["kind"], one["metadata"]["name"])  # noqa: E731
    assert sorted(yaml.safe_load_all(done.stdout), key=order) == sorted(OBJECTS, key=order)


def test_every_pod_is_hardened() -> None:
    assert set(PODS) == {"retort-api", "retort-worker", "retort-migrate"}
    for name, pod in PODS.items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"], name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            names = [one["name"] for one in container.get("env", ())]
            assert not any(re.search("KEY|PASSWORD|DATABASE|BROKER", one) for one in names), name


def test_settings_exist_and_secrets_are_files_of_settings() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    (config,) = of("ConfigMap")
    assert set(config["data"]) <= known
    secrets = list(yaml.safe_load_all((SERVICE / "secret.example.yaml").read_text()))
    by_name = {secret["metadata"]["name"]: set(secret["stringData"]) for secret in secrets}
    for pod in PODS.values():
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert {name.upper() for name in by_name[volume["secret"]["secretName"]]} <= known
    (authentication,) = of("TriggerAuthentication")
    for reference in authentication["spec"]["secretTargetRef"]:
        assert reference["key"] in by_name[reference["name"]]


def test_workers_are_scaled_and_stopped_gently() -> None:
    (scaled,) = of("ScaledObject")
    name = scaled["spec"]["scaleTargetRef"]["name"]
    (worker,) = [each for each in of("Deployment") if each["metadata"]["name"] == name]
    assert "replicas" not in worker["spec"]
    drain = Settings.model_fields["drain_seconds"].default
    assert worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain + 20
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["authenticationRef"]["name"] == of("TriggerAuthentication")[0]["metadata"]["name"]


@pytest.mark.servers
def test_the_queue_that_keda_counts_is_that_of_the_database(postgres_url: str) -> None:
    (scaled,) = of("ScaledObject")
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    database = open_database(postgres_url)
    spec = parse_job({"teacher": "cifar/resnet56", "dataset": "builtin:digits", "student": "nano"})
    for kind in ("job", "plan", "job"):
        with database.begin() as session:
            last = jobs.submit(session, spec, kind=kind).job
    with database.begin() as session:
        assert leases.claim(session, last.id, owner="w", lease_seconds=60) is not None
        assert session.execute(text(query)).scalar_one() == 2
    database.close()


def test_selectors_find_their_pods() -> None:
    labels = [template["metadata"]["labels"] for template in TEMPLATES.values()]
    for kind, path in (("Service", "selector"), ("NetworkPolicy", "podSelector")):
        for each in of(kind):
            wanted = each["spec"][path].get("matchLabels", each["spec"][path])
            assert any(wanted.items() <= its.items() for its in labels), each["metadata"]["name"]
