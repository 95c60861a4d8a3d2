import pytest

from llmops_pipelines.lifecycle.lake import Lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake", "shop")
