"""The real checkpoints and images beside the project, where they are."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images and teachers; skips the test where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent: no real images and teachers to test with")
    return DATA
