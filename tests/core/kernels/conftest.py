"""The kernels, compiled once for each file of tests."""

import pytest

from core.kernels import Kernels, load


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return load(tmp_path_factory.mktemp("cache"))
