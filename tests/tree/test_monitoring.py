"""The alerts fire where they should, and alerts and dashboard name figures that exist. promtool is of Debian's package
`prometheus`."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from guarded import missing
from starlette.testclient import TestClient

from api.app import create_app
from store import keys
from store.database import open_database
from store.settings import Settings
from worker.figures import REGISTRY

FOLDER = Path(__file__).parents[2] / "deploy/monitoring"
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


def promtool(*arguments: str, cwd: Path = FOLDER) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        missing("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([str(tool), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def figures(sqlite_url: str, tmp_path: Path) -> set[str]:
    """The names of all figures of API and worker, as Prometheus stores them."""
    database = open_database(sqlite_url)
    with database.begin() as session:
        _, key = keys.create(session, tenant="default", name="prometheus", scope="admin")
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(create_app(Settings(data_dir=tmp_path), database, quiet=True), base_url="http://localhost") as api:
        api.get("/livez")
        told = api.get("/metrics", headers=headers).text
    database.close()
    names = set(re.findall(r"^# TYPE (\S+) ", told, re.MULTILINE))
    histograms = set(re.findall(r"^# TYPE (\S+) histogram$", told, re.MULTILINE))
    for family in REGISTRY.collect():
        names.add(f"{family.name}_total" if family.type == "counter" else family.name)
        histograms |= {family.name} if family.type == "histogram" else set()
    return names | {f"{name}_{end}" for name in histograms for end in ("bucket", "sum", "count")}


def test_alerts_and_dashboard_name_figures_that_exist(figures: set[str]) -> None:
    queries = [*EXPRESSIONS, *(rule["expr"] for rule in ALERTS)]
    used = {name for query in queries for name in re.findall(r"retort_\w+", query)}
    assert used - figures == set()


def test_each_alert_is_seen_to_fire_and_says_what_to_do() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")
    shown = (FOLDER / "alerts_test.yml").read_text()
    for rule in ALERTS:
        assert f'alertname="{rule["alert"]}"' in shown
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]


def test_the_configuration_of_prometheus_is_valid() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    assert len(EXPRESSIONS) >= 12
    rules: list[dict[str, Any]] = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(EXPRESSIONS)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "rules.yml", cwd=tmp_path)
