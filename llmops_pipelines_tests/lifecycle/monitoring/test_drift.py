"""Drift is measured four ways against the live release's corpus; without one there is nothing to say."""

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Drift
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.monitoring import corpus_profile, drift_report
from llmops_pipelines.lifecycle.monitoring.drift import changed_documents, population_stability

FERRIES = {f"d/{n:02}": f"The ferry number {n} sails from the harbour in the morning and carries cars." for n in range(20)}
WIND = {f"w/{n:02}": f"Turbine {n} turns its blades above the cable trench and feeds the substation." for n in range(10)}
STRICT = Drift(documents_changed=0.2, lengths=0.25, vocabulary=0.2, embeddings=0.2)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "isles")


def profile(lake: Lake, texts: dict[str, str], vector=(1.0, 0.0)) -> Version:
    """The profile of documents whose passages all have one vector."""
    rows = [(doc, text_digest(text), len(text), "d") for doc, text in sorted(texts.items())]
    columns = dict(zip(("doc_id", "content_hash", "characters", "source"), map(list, zip(*rows, strict=True)), strict=True))
    store = lake.store("texts", "v1", "content_hash")
    new = store.missing(columns["content_hash"])
    by_hash = {text_digest(text): text for text in texts.values()}
    store.append(pa.table({"content_hash": new, "text": [by_hash[content] for content in new]}))
    documents = lake.once(
        "documents", code="1", config=columns, parents=[], write=lambda draft: draft.table("documents", pa.table(columns))
    )
    return corpus_profile(lake, documents, embedded(lake, vector))


def embedded(lake: Lake, vector) -> Version:
    name = str(vector)
    vectors = lake.store("vectors", "e" * 64, "text_hash")
    if vectors.missing([name]):
        vectors.append(pa.table({"text_hash": [name], "vector": pa.array([np.float32(vector)], pa.list_(pa.float32()))}))

    def write(draft) -> None:
        draft.table("embeddings", pa.table({"text_hash": [name]}))
        draft.json("embedder", {"fingerprint": "e" * 64, "dimension": len(vector)})

    return lake.once("embeddings", code="1", config=name, parents=[], write=write)


def outcome(lake: Lake, now: Version, then: Version | None) -> str:
    return drift_report(lake, now, then, STRICT).facts["outcome"]


def test_without_a_release_nothing_is_compared(lake):
    assert outcome(lake, profile(lake, FERRIES), None) == "no_reference"


def test_the_same_corpus_is_stable(lake):
    report = drift_report(lake, profile(lake, FERRIES), profile(lake, FERRIES), STRICT)
    assert report.facts["outcome"] == "stable"
    assert report.facts["why"].startswith("documents_changed 0.000 < 0.2; lengths 0.000 < 0.25")


def test_one_edit_is_counted_and_is_not_drift(lake):
    edited = FERRIES | {"d/00": FERRIES["d/00"].replace("morning", "evening")}
    report = drift_report(lake, profile(lake, edited), profile(lake, FERRIES), STRICT)
    assert (report.facts["outcome"], report.facts["edited"], report.facts["documents_changed"]) == ("stable", 1, 0.05)


@pytest.mark.parametrize(
    ("now", "vector", "measure"),
    [
        (FERRIES | WIND, (1.0, 0.0), "documents_changed"),
        (FERRIES | WIND, (1.0, 0.0), "vocabulary"),
        ({doc: text * 20 for doc, text in FERRIES.items()}, (1.0, 0.0), "lengths"),
        (FERRIES, (0.0, 1.0), "embeddings"),
    ],
)
def test_each_measure_can_say_drift(lake, now, vector, measure):
    report = drift_report(lake, profile(lake, now, vector), profile(lake, FERRIES), STRICT)
    assert report.facts["outcome"] == "drifted"
    assert report.facts[measure] >= getattr(STRICT, measure)
    assert report.has("drift.png")


def test_changes_are_named(lake):
    now = {**FERRIES, "w/00": WIND["w/00"], "d/01": "Another text about the same ferry."}
    now.pop("d/02")
    changes = changed_documents(profile(lake, now), profile(lake, FERRIES)).to_pylist()
    assert changes == [
        {"doc_id": "d/01", "change": "edited"},
        {"doc_id": "d/02", "change": "removed"},
        {"doc_id": "w/00", "change": "added"},
    ]


def test_population_stability_of_a_known_case():
    assert population_stability([10, 20, 30], [10, 20, 30]) == 0
    shares = (90.5 / 101, 10.5 / 101), (10.5 / 101, 90.5 / 101)
    expected = sum((a - b) * np.log(a / b) for a, b in zip(*shares, strict=True))
    assert population_stability([90, 10], [10, 90]) == pytest.approx(expected)
