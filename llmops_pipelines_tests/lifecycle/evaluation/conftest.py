from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with base/ (a random model), idle/ and active/ (adapters for it)."""
    from .tiny_models import adapter_for, tiny_llama

    home = tmp_path_factory.mktemp("tiny")
    base = tiny_llama(home / "base")
    adapter_for(base, home / "idle", active=False)
    adapter_for(base, home / "active", active=True)
    return home
