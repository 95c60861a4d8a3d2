import pytest

from llmops_pipelines.lifecycle.evaluation.text_metrics import best, exact_match, normalised, token_f1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Tide Room!", "tide room"),
        ("  an  apple, a day ", "apple day"),
        ("well-known", "wellknown"),
        ("U.S.", "us"),
        ("theatre", "theatre"),
        ("a", ""),
    ],
)
def test_normalisation_is_that_of_squad(text, expected):
    assert normalised(text) == expected


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("the green lockers", "green lockers", 1.0),
        ("in the green lockers", "green lockers", 0.8),  # precision 2/3, recall 1
        ("red lockers", "green lockers", 0.5),
        ("blue", "green lockers", 0.0),
        ("lockers lockers", "lockers", 2 / 3),  # a word counts as often as the reference has it
        ("", "green", 0.0),
        ("", "the", 1.0),  # SQuAD: no tokens on both sides
    ],
)
def test_token_f1_by_hand(answer, reference, expected):
    assert token_f1(answer, reference) == pytest.approx(expected)


def test_exact_match_ignores_case_articles_and_punctuation_only():
    assert exact_match("The Wren Cabin.", "wren cabin") == 1.0
    assert exact_match("Wren Cabins", "wren cabin") == 0.0


def test_the_best_reference_counts():
    assert best(token_f1, "184", ["184 passengers", "184"]) == 1.0
    assert best(exact_match, "185", ["184 passengers", "184"]) == 0.0
