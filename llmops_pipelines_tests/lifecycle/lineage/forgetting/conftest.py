"""One product for many tests: it is made once, and each test gets a copy."""

import shutil
from pathlib import Path

import pytest

from .product import Product, made


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("product")).folder


def copied(original: Path, folder: Path) -> Product:
    """With the times of its files, so that versions are trusted as they are."""
    shutil.copytree(original, folder / "product", copy_function=shutil.copy2)
    return Product(folder / "product")


@pytest.fixture
def product(original, tmp_path) -> Product:
    return copied(original, tmp_path)
