"""One fault at a time in a product that is rebuilt for real: the guilty part is named, and the guilty documents."""

from dataclasses import replace

import pytest

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.lineage.blame import Blame, BlameError, Doors, blame

from .world import KEEPERS, Product, questions, texts

SPOILT = ("Askay", "Corra", "Garrow", "Lunna")


def poisoned(product: Product, *isles: str) -> Product:
    """The text of these isles says something else about what is asked."""
    known = {isle: product.texts[f"isles/{isle.lower()}.md"] for isle in isles}
    wrong = {isle: text.replace(" crowns", "00 crowns") for isle, text in known.items()}
    return product.edited(**{isle: text.replace("is kept by", "is kept by Tom Nobody, not") for isle, text in wrong.items()})


def blamed(lake: Lake, good: Product, bad: Product, **options) -> Blame:
    return blame(lake, good.made(lake), bad.made(lake), Doors(), **options)


def guilty(found: Blame) -> list[str]:
    return [part.name for part in found.parts if part.guilty]


def test_the_same_product_is_the_same(lake):
    found = blamed(lake, Product(), Product())
    assert (found.verdict, found.parts, found.found_guilt) == ("same", [], False)


def test_a_new_document_that_nobody_asks_about_is_noise(lake):
    found = blamed(lake, Product(), Product().edited(Skerry="# Skerry\n\nNobody lives on the skerry, and no boat goes there."))
    assert found.verdict == "noise" and not found.found_guilt
    assert "no change beyond noise" in found.sentence and [part.share for part in found.parts] == [None]


def test_poisoned_documents_are_guilty_and_named(lake):
    found = blamed(lake, Product(), poisoned(Product(), *SPOILT))
    assert found.verdict == "guilty" and guilty(found) == ["documents"]
    assert [each.doc_id for each in found.documents.guilty] == [f"isles/{isle.lower()}.md" for isle in SPOILT]
    assert found.documents.whole and found.documents.confirmed == found.documents.flipped == len(found.flipped) >= 4
    assert {each.kind for each in found.documents.guilty} == {"edited"}
    assert ("+", "The lighthouse of Askay is kept by Tom Nobody, not Ada Holm.") in found.documents.guilty[0].edit


@pytest.mark.slow
def test_an_innocent_edit_beside_the_poison_is_not_named(lake):
    bad = poisoned(Product(), *SPOILT)
    bad = bad.edited(Brune=bad.texts["isles/brune.md"] + "\n\nSeals rest on the rocks in the evening.")
    found = blamed(lake, Product(), bad)
    assert [each.doc_id for each in found.documents.guilty] == [f"isles/{isle.lower()}.md" for isle in SPOILT]
    assert found.documents.changed == 5


def test_deleted_documents_are_guilty_although_their_questions_left_the_evaluation_with_them(lake):
    found = blamed(lake, Product(), Product().edited(**dict.fromkeys(SPOILT)))
    assert guilty(found) == ["documents"] and {each.kind for each in found.documents.guilty} == {"removed"}
    assert [each.doc_id for each in found.documents.guilty] == [f"isles/{isle.lower()}.md" for isle in SPOILT]
    assert "8 questions left the evaluation set only because their documents did" in found.notes[0]
    recorded = found.total.recorded
    assert recorded[1] > recorded[0] - 0.1 > found.total.bad  # as recorded, nothing would have shown


def test_smaller_chunks_are_the_chunkers_fault(lake):
    found = blamed(lake, Product(), Product(tokens=4))
    assert guilty(found) == ["chunker"] and found.parts[0].said == "tokens 48 -> 4"
    assert found.hybrids == 0  # with one part there is nothing to mix


def test_a_ranking_by_chance_is_the_retrievers_fault(lake):
    found = blamed(lake, Product(), Product(method="dense"))
    assert guilty(found) == ["retriever"]
    assert "search.method bm25 -> dense" in found.parts[0].said


@pytest.mark.slow
def test_two_faults_are_the_two_first_and_share_what_they_did(lake):
    bad = poisoned(Product(tokens=4), *SPOILT).edited(Skerry="# Skerry\n\nNobody lives there.")
    found = blamed(lake, Product(), bad)
    assert set(guilty(found)) == {"documents", "chunker"}
    assert sum(part.share for part in found.parts) == pytest.approx(found.total.change)
    alone = blamed(lake, Product(), Product(tokens=4))
    chunker = next(part for part in found.parts if part.name == "chunker")
    assert chunker.alone == pytest.approx(alone.total.change)


def test_another_right_answer_moves_the_evaluation_set_not_the_product(lake):
    harder = [row | {"answers": ["Somebody else"]} if row["id"].startswith("who") else row for row in questions()]
    found = blamed(lake, Product(), Product(questions=harder))
    assert found.verdict == "the eval set moved" and found.found_guilt
    assert "12 with other right answers" in found.parts[0].said and "not the product" in found.sentence


@pytest.mark.slow
def test_an_evaluation_set_and_a_product_that_both_moved_are_told_apart(lake):
    harder = [row | {"answers": ["Somebody else"]} if row["id"].startswith("who") else row for row in questions()]
    found = blamed(lake, Product(), poisoned(Product(questions=harder), *SPOILT))
    assert found.verdict == "the eval set moved" and guilty(found) == ["eval set", "documents"]


def test_what_got_better_is_not_blamed(lake):
    found = blamed(lake, poisoned(Product(), *SPOILT), Product())
    assert found.verdict == "better" and not found.found_guilt and found.documents is None
    assert "most of it from documents" in found.sentence


@pytest.mark.slow
def test_asking_again_builds_nothing_and_answers_the_same(lake):
    bad = poisoned(Product(tokens=4), "Brune", "Eilan", "Fara")
    first, again = (blamed(lake, Product(), bad) for _ in range(2))
    assert first.hybrids > 0 == again.hybrids
    assert (first.parts, first.documents, first.sentence) == (again.parts, again.documents, again.sentence)


@pytest.mark.slow
def test_trials_leave_the_products_own_versions_alone(lake):
    good, bad = Product().made(lake), poisoned(Product(tokens=4), *SPOILT).made(lake)
    before = {version.path for version in lake.all_versions()}
    blame(lake, good, bad, Doors())
    assert {version.path for version in lake.all_versions()} == before


def test_a_metric_that_was_not_measured_is_refused_with_those_that_were(lake):
    with pytest.raises(BlameError, match="--metric: hit_at_5 was not measured on both sides; measured are token_f1"):
        blamed(lake, Product(), Product(), metric="hit_at_5")


def test_the_world_answers_well_without_faults(lake):
    """Otherwise nothing above would mean much."""
    found = blamed(lake, Product(), Product())
    assert found.total.good > 0.9 and len(texts()) == len(KEEPERS)


def test_what_an_erased_document_did_is_not_blamed_on_another_part(lake):
    good, bad = Product().made(lake), poisoned(Product(), *SPOILT).made(lake)
    documents = bad.parts["documents"]
    erased = replace(documents, manifest=documents.manifest | {"redacted": [{"receipt": "5d20", "files": {}, "seal": ""}]})
    with pytest.raises(BlameError, match=r"only one of the two held were erased since \(receipt 5d20\)"):
        blame(lake, good, replace(bad, parts={**bad.parts, "documents": erased}), Doors())
