"""What on-call people do by hand: the quarantine, the clean-up (a dry run first), and whether every file is what it was."""

import io

import pyarrow as pa
import pytest
from rich.console import Console

from llmops_pipelines import upkeep
from llmops_pipelines.lifecycle.corpus.ledger import QUARANTINED, Entry, table
from llmops_pipelines.lifecycle.lake import Draft, Lake, Refusal, Version
from llmops_pipelines.resources.home import Home


@pytest.fixture
def lake(tmp_path, monkeypatch, quickstart) -> Lake:
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    return Home.from_environment(quickstart.project).lake("quickstart")


def said(function, *args, **options) -> tuple[str, object]:
    out = io.StringIO()
    answer = function(*args, Console(file=out, width=200, highlight=False), **options)
    return out.getvalue(), answer


def documents(lake: Lake, *entries: Entry) -> Version:
    def write(draft: Draft) -> None:
        draft.table("quarantined", table(list(entries)))

    version = lake.once("documents", code="1", config=len(entries), parents=[], write=write)
    lake.point(version)
    return version


def numbered(lake: Lake, number: int) -> Version:
    version = lake.once(
        "chunks", code="1", config=number, parents=[], write=lambda draft: draft.table("chunks", pa.table({"n": [number]}))
    )
    lake.point(version)
    return version


def test_the_quarantine_is_listed_with_reasons(quickstart, lake):
    with pytest.raises(Refusal, match="never materialized"):
        said(upkeep.quarantined, quickstart)
    documents(lake, Entry("handbook", "handbook/a.pdf", "a.pdf", QUARANTINED, "parser_failed", "PdfReadError: no trailer"))
    text, _ = said(upkeep.quarantined, quickstart)
    assert "handbook/a.pdf" in text and "parser_failed" in text and "no trailer" in text
    documents(lake)
    assert said(upkeep.quarantined, quickstart)[0] == "Nothing is in quarantine.\n"


def test_a_clean_up_shows_first_and_removes_when_told_so(quickstart, lake):
    versions = [numbered(lake, number) for number in range(quickstart.pipeline.retention.versions + 2)]
    for held in list(lake._held):
        import os

        os.close(lake._held.pop(held))
    shown, _ = said(upkeep.clean_up, quickstart, really=False)
    assert "Nothing was removed" in shown and all(version.path.exists() for version in versions)
    removed, _ = said(upkeep.clean_up, quickstart, really=True)
    assert "are free again" in removed
    assert [version.path.exists() for version in versions] == [False, False] + [True] * quickstart.pipeline.retention.versions
    assert "Nothing to remove" in said(upkeep.clean_up, quickstart, really=True)[0]
