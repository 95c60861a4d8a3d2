"""Words to BM25 weights: what counts as the same word, what a weight is, and that it depends on its text alone."""

import numpy as np
import pytest

from llmops_pipelines.lifecycle.index.engines.contract import Sparse
from llmops_pipelines.lifecycle.index.search import lexical


def terms(text: str, language: str = "en") -> set[int]:
    """Ids of single words; pairs of words weigh less."""
    (found,) = lexical.question_vectors([text], language)
    return {term for term, weight in zip(found.indices, found.values, strict=True) if weight == 1}


def weight(text: str, term: int) -> float:
    (found,) = lexical.document_vectors([text])
    return dict(zip(found.indices, found.values, strict=True))[term]


@pytest.mark.parametrize(
    ("one", "other"), [("Ferries", "the FERRY"), ("café", "cafe"), ("running", "runs"), ("ﬁne", "fine"), ("Straße", "strasse")]
)
def test_forms_of_a_word_are_one_term(one, other) -> None:
    assert terms(one) == terms(other) and len(terms(one)) == 1


def test_different_words_are_different_terms_and_stop_words_are_none() -> None:
    assert not terms("ferry") & terms("quay")
    assert terms("what is the") == set() and terms("") == set() and terms("?!") == set()


def test_stems_follow_the_language() -> None:
    assert terms("Häuser", "de") == terms("Hauses", "de")
    assert terms("Häuser", "und") != terms("Hauses", "und")  # undetermined: words as they are
    assert terms("der", "de") == set() and terms("der", "en") != set()
    assert len(terms("東京都に住んでいます", "ja")) > 2  # words without spaces between them


def test_a_question_to_a_mixed_corpus_has_the_terms_of_each_language() -> None:
    (both,) = lexical.question_vectors(["running Häuser"], ["en", "de"])
    assert terms("running Häuser", "en") | terms("running Häuser", "de") <= set(both.indices)
    mixed = lexical.document_vectors(["running ferries", "die Häuser"], ["en", "de"])
    assert set(mixed[0].indices) & set(both.indices) and set(mixed[1].indices) & set(both.indices)


def test_neighbouring_words_make_a_term_of_their_own_that_depends_on_their_order() -> None:
    (there,) = lexical.document_vectors(["a solar panel on the roof"])
    (asked,), (turned,) = lexical.question_vectors(["solar panel"]), lexical.question_vectors(["panel solar"])
    assert set(asked.indices) <= set(there.indices) and sorted(asked.values) == [lexical.PAIR_WEIGHT, 1, 1]
    assert len(set(turned.indices) & set(there.indices)) == 2
    (apart,) = lexical.document_vectors(["a panel that is solar"])
    assert len(set(asked.indices) & set(apart.indices)) == 2


def test_a_weight_is_that_of_the_formula() -> None:
    (ferry,) = terms("ferry")
    text = "ferry ferry quay " + "island " * 3  # 6 terms, of which 2 are the ferry
    expected = 2 * 1.9 / (2 + 0.9 * (1 - 0.4 + 0.4 * 6 / lexical.USUAL_TERMS))
    assert weight(text, ferry) == pytest.approx(expected)
    assert weight(text + "island " * 60, ferry) < expected  # control: the same word says less about a longer text


def test_a_weight_depends_on_its_text_alone() -> None:
    texts = ["The ferry leaves at nine.", "", "The old quay is closed to lorries.", "the of and"] * 600  # several batches
    together = lexical.document_vectors(texts)
    assert together[:4] * 600 == together == [lexical.document_vectors([text])[0] for text in texts[:4]] * 600
    assert together[1] == together[3] == Sparse([], [])
    assert all(np.all(np.diff(vector.indices) > 0) for vector in together[:4])  # engines want ascending, distinct ids


def test_ids_and_weights_are_those_that_are_stored_in_indexes() -> None:
    """When this fails, questions ask for other terms than indexes hold: raise `lexical.CODE`, a part of their identity."""
    (found,) = lexical.document_vectors(["Solar panels, a solar roof"])
    assert found.indices == [1014340959, 1035920242, 1091620799, 1225409782, 1341234579, 1528476578]
    assert found.values == pytest.approx([1.2148, 1.2148, 1.4821, 1.2148, 1.2148, 1.2148], abs=1e-4)
    assert lexical.identity()["code"] == "lexical-1"


def test_one_language_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="2 texts, but 1 languages"):
        lexical.document_vectors(["a", "b"], ["en"])
