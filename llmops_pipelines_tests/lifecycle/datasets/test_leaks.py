"""Each kind of leak is planted into clean training examples; the check must name it, and only it."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.datasets import leaks

from .conftest import HERON, MOLE, TEXTS

LAMP = TEXTS[MOLE].split("\n\n")[1]
CLEAN = {"doc_ids": [f"docs/{HERON}"], "cluster": f"docs/{HERON}", "contexts": ["A clean passage."], "question": "Is it?"}


def leaks_of(shop, row: dict) -> list[str]:
    training = SimpleNamespace(table=lambda columns: pa.Table.from_pylist([CLEAN, CLEAN | row]))
    return leaks(shop.eval_questions(), training, shop.documents)


def test_clean_examples_have_no_leak(shop):
    assert leaks_of(shop, {}) == []


def test_a_held_out_document(shop):
    shop.clusters = {f"docs/{HERON}": f"docs/{HERON}", f"docs/{MOLE}": f"docs/{MOLE}"}
    found = leaks_of(shop, {"doc_ids": [f"docs/{MOLE}"]})
    assert found[0] == f"1 documents are quoted in training and asked about in evaluation: docs/{MOLE}"
    assert len(found) == 2  # its cluster is on both sides, too


def test_a_held_out_cluster(shop):
    assert leaks_of(shop, {"cluster": f"docs/{MOLE}"}) == [f"1 document clusters are on both sides: docs/{MOLE}"]


def test_an_evaluation_question_in_other_spelling(shop):
    row = {"question": "how many watts does the LAMP use"}
    assert leaks_of(shop, row) == ["1 evaluation questions are asked in training: q4"]


@pytest.mark.parametrize("change", [("", ""), ("linen", "cotton"), ("18 watts", "25 watts")])
def test_a_nearly_identical_passage(shop, change):
    row = {"contexts": ["Another passage.", LAMP.replace(*change)]}
    assert leaks_of(shop, row) == [f"1 evaluation documents have a nearly identical passage in training: docs/{MOLE}"]


def test_a_passage_on_the_same_subject_is_no_copy(shop):
    text = "The lamp of the new tower uses eighteen watts, and a keeper cleans it every month with a brush, spirit and a cloth."
    assert leaks_of(shop, {"contexts": [text]}) == []


@pytest.mark.parametrize("terms", [{"consent": "search"}, {"trust": "untrusted"}])
def test_a_document_that_must_not_be_learnt_from(shop, terms):
    table = shop.documents.table().to_pylist()
    rows = [row | (terms if row["doc_id"] == f"docs/{HERON}" else {}) for row in table]
    documents = SimpleNamespace(table=lambda columns=None: pa.Table.from_pylist(rows))
    training = SimpleNamespace(table=lambda columns: pa.Table.from_pylist([CLEAN]))
    found = leaks(shop.eval_questions(), training, documents)
    assert found == [f"1 documents without consent to training, or untrusted, are quoted in training: docs/{HERON}"]
