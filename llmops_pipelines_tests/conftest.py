"""What many tests share: the shipped project, a home of one's own, and the product that the quickstart is."""

from pathlib import Path

import pytest

from llmops_pipelines.assets.product import Product
from llmops_pipelines.definitions import product
from llmops_pipelines.resources.home import Home

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def project() -> Path:
    return PROJECT


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(path=str(tmp_path / "home"))


@pytest.fixture(scope="session")
def quickstart() -> Product:
    return product("quickstart", PROJECT / "configs" / "pipelines" / "quickstart.yaml", PROJECT)
