"""Each file of api/routes is part of the application: a router that nobody includes would answer 404."""

import importlib
import pkgutil

import pytest
from fastapi import APIRouter

from api import routes
from api.app import ROUTERS

MODULES = sorted(module.name for module in pkgutil.iter_modules(routes.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_the_router_of_a_file_is_included(name: str) -> None:
    router = importlib.import_module(f"api.routes.{name}").router
    assert isinstance(router, APIRouter) and router.routes
    assert router in ROUTERS
