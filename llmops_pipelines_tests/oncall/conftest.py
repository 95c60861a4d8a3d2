"""One prepared home for all tests of on-call commands; each test works in a copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmops_pipelines_tests.conftest import PROJECT

from .ward import Ward, copied, template, ward


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")  # `dagster_home` sets it; this puts it back
        return template(tmp_path_factory.mktemp("ward") / "home", PROJECT)


@pytest.fixture
def sick(prepared, tmp_path, quickstart, monkeypatch) -> Iterator[Ward]:
    """A ward of one's own; the commands find it by LLMOPS_HOME."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    folder = copied(prepared, tmp_path / "home")
    monkeypatch.setenv("LLMOPS_HOME", str(folder))
    monkeypatch.chdir(PROJECT)
    with ward(folder, quickstart) as opened:
        yield opened
