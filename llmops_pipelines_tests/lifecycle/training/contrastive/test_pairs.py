"""Which question goes with which passage, and that nothing of the held-out side is among them."""

import pyarrow as pa
import pytest

from llmops_pipelines.config.embedder_recipe import HardNegatives
from llmops_pipelines.lifecycle.datasets import side
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.training import TrainingError
from llmops_pipelines.lifecycle.training.contrastive import embedder_pairs, hard_negatives
from llmops_pipelines.lifecycle.training.contrastive.pairs import on_measured_side

FERRY, DOGS, QUAY = "The ferry leaves at nine.", "Dogs travel free.", "The quay is closed at nine."
ISLE, QUAYS, FAR = "isle4", "quay2", "far2"  # found to be on these sides
SIDES = {ISLE: "train", QUAYS: "train", FAR: "held_out"}


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake", "isles")


def published(lake: Lake, asset: str, rows: list[dict], **more: pa.Table) -> Version:
    def write(draft) -> None:
        for name, table in {asset: pa.Table.from_pylist(rows), **more}.items():
            draft.table(name, table)

    return lake.once(asset, code="1", config=rows, parents=[], write=write)


def corpus(lake: Lake, **said) -> tuple[Version, Version]:
    """An isle (two passages) and a quay on the train side, far away on the other; `said` changes the isle's row."""
    assert {name: side(name, 0.5) for name in SIDES} == SIDES
    known = {"consent": "search_and_training", "trust": "trusted"}
    documents = [{"doc_id": name, "cluster": name, **known, **(said if name == ISLE else {})} for name in SIDES]
    rows = []
    for name, passages in {ISLE: [FERRY, DOGS], QUAYS: [QUAY], FAR: ["The far light is seen at nine."]}.items():
        whole, at = "\n".join(passages), 0
        store = lake.store("texts", "v1", "content_hash")
        store.append(pa.table({"content_hash": [text_digest(whole)], "text": [whole]}))
        for n, passage in enumerate(passages):
            place = {"start": at, "end": at + len(passage), "head": name, "text_hash": text_digest(f"{name}\n{passage}")}
            rows.append({"chunk_id": f"{name}-{n}", "doc_id": name, "content_hash": text_digest(whole), **place})
            at += len(passage) + 1
    ledger = pa.table({name: pa.array([], pa.string()) for name in ("doc_id", "reason", "detail")})
    return published(lake, "documents", documents, ledger=ledger), published(lake, "chunks", rows)


def examples(lake: Lake, *rows: tuple) -> Version:
    names = ("question", "contexts", "answer", "doc_ids", "origin")
    return published(lake, "training_examples", [dict(zip(names, row, strict=True)) for row in rows])


WHEN = ("When does the ferry leave?", [QUAY, FERRY], "nine", [ISLE, QUAYS], "question")
REFUSED = ("Who built it?", [DOGS], "not in the documents", [ISLE], "unanswerable")


def test_a_question_goes_with_the_passage_that_answers_it_and_shares_its_words(lake):
    version = embedder_pairs(lake, *corpus(lake), examples(lake, WHEN, WHEN, REFUSED), 0.5)
    (pair,) = version.table("embedder_pairs").to_pylist()
    assert (pair["question"], pair["answer"], pair["chunk_id"]) == ("When does the ferry leave?", "nine", f"{ISLE}-0")
    assert version.facts["dropped_refusal"] == 1 and version.facts["dropped_repeated_pair"] == 1


def test_passages_are_what_the_embedder_reads_and_none_is_held_out(lake):
    version = embedder_pairs(lake, *corpus(lake), examples(lake, WHEN), 0.5)
    texts = {row["chunk_id"]: row["text"] for row in version.table("passages").to_pylist()}
    assert texts == {f"{ISLE}-0": f"{ISLE}\n{FERRY}", f"{ISLE}-1": f"{ISLE}\n{DOGS}", f"{QUAYS}-0": f"{QUAYS}\n{QUAY}"}


def test_documents_without_consent_are_not_learnt_from(lake):
    version = embedder_pairs(lake, *corpus(lake, consent="search"), examples(lake, WHEN), 0.5)
    assert {row["chunk_id"] for row in version.table("passages").to_pylist()} == {f"{QUAYS}-0"}
    assert version.table("embedder_pairs").column("chunk_id").to_pylist() == [f"{QUAYS}-0"]


def test_no_pair_at_all_is_refused_with_the_reasons(lake):
    with pytest.raises(TrainingError, match=r"no question-passage pair results from 1 training examples .*refusal.* add"):
        embedder_pairs(lake, *corpus(lake), examples(lake, REFUSED), 0.5)


@pytest.fixture
def pairs(lake) -> Version:
    return embedder_pairs(lake, *corpus(lake), examples(lake, WHEN), 0.5)


def test_negatives_are_wrong_for_certain_and_in_the_order_found(lake, pairs):
    index = published(lake, "index", [{"n": 1}])
    asked = []

    def search(questions, k):
        asked.append((list(questions), k))
        return [[f"{ISLE}-0", f"{FAR}-0", f"{QUAYS}-0", f"{ISLE}-1"]]

    words = {"first": 1, "last": 9, "per_pair": 1}
    version = hard_negatives(lake, pairs, [index], search, HardNegatives(**words))
    assert version.table().to_pylist() == [{"pair_id": pairs.table().column("pair_id")[0].as_py(), "chunk_ids": [f"{ISLE}-1"]}]
    assert asked == [(["When does the ferry leave?"], 9)]
    reasons = {name.removeprefix("dropped_"): n for name, n in version.facts.items() if name.startswith("dropped_")}
    assert reasons == {"right_answer": 1, "not_to_be_learnt_from": 1, "holds_the_answer": 1}
    again = hard_negatives(lake, pairs, [index], search, HardNegatives(**{**words, "per_pair": 3}))
    assert again.reused and len(asked) == 1, "how many of them are used does not change what was found"


def test_finding_only_right_answers_is_refused(lake, pairs):
    with pytest.raises(TrainingError, match=r"no wrong passage .*negatives.per_pair: 0"):
        hard_negatives(lake, pairs, [], lambda questions, k: [[f"{ISLE}-0"]], HardNegatives(first=1))


def test_the_measured_side_is_no_function_of_the_pipelines_split():
    names = [str(n) for n in range(2_000)]
    train = [name for name in names if side(name, 0.5) == "train"]
    share = sum(on_measured_side(name, 0.3) for name in train) / len(train)
    assert 0.25 < share < 0.35
