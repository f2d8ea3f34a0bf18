"""The service as its OpenAPI document describes it: Schemathesis sends what fits the document and what does not.

All its checks hold: no answer of 5xx, and none that the document does not describe. The long form, of 15,000 cases
and more: `RETORT_TEST_CONTRACT_EXAMPLES=50 pytest -s tests/api/test_contract.py`, with a seed of one's own in
RETORT_TEST_SEED.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store.database import Database
from store.settings import Settings
from tests.api.conftest import key_header, serve

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ROOT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = int(os.environ.get("RETORT_TEST_CONTRACT_EXAMPLES", "0"))
FEW = 8
SEED = os.environ.get("RETORT_TEST_SEED", "15")


def run(address: str, headers: dict[str, str], report: Path) -> subprocess.CompletedProcess[str]:
    settings = CONFIGURATION.read_text()
    configuration = report.with_name("schemathesis.toml")
    configuration.write_text(
        settings.replace("coverage.enabled = false", "coverage.enabled = true") if EXAMPLES else settings
    )
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", configuration, "run"]
    command += [f"{address}/openapi.json", "--seed", SEED, "--max-examples", str(EXAMPLES or FEW), "--no-shrink"]
    command += ["--generation-database", "none", "--continue-on-failure", "--no-color"]
    command += ["--header", f"Authorization: {headers['Authorization']}"]
    command += ["--report", "json", "--report-json-path", str(report)]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **hooks}
    return subprocess.run(command, cwd=report.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_service_keeps_its_contract(
    settings: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Webhooks of hosts that nobody has can be made, so that the routes below them have something to answer with.
    monkeypatch.setattr("api.webhook_url.resolve", lambda *_, **__: [])
    brief = settings.model_copy(update={"plan_wait_seconds": 0.05, "max_wait_seconds": 0.1})
    with serve(brief, database) as address:
        done = run(address, key_header(database), tmp_path / "report.json")
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    cases, tested = report["test_cases"], report["operations"]
    print(
        f"{tested['tested']} operations, {cases['generated']} cases, {cases['unique_failures']} failures, seed {SEED}"
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert tested["tested"] == tested["total"] >= 45
    assert cases["generated"] > 1000
