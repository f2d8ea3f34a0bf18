"""A short campaign with a fixed seed in both modes; a campaign without faults proves nothing and fails."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.campaign import run_round, verdict

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.parametrize("mode", ["embedded", pytest.param("distributed", marks=pytest.mark.servers)])
def test_a_service_that_is_broken_again_and_again_keeps_its_promises(mode: Any, tmp_path: Path) -> None:
    one = run_round(tmp_path, mode, seed=3, num_faults=9)
    print(one)
    assert verdict([one]) == []


def test_a_campaign_without_faults_is_void(tmp_path: Path) -> None:
    reasons = verdict([{**run_round(tmp_path, "embedded", seed=3, num_faults=0)}])
    assert "void: no faults" in reasons and "void: no takeovers" in reasons
