"""Retrieval settings from questions: the better ranking wins, and nothing is judged by what it was chosen on."""

from dataclasses import replace

import numpy as np
import pytest

from llmops_pipelines.config.pipeline import Embeddings, Retrieval
from llmops_pipelines.lifecycle.index.search import retrieval, tuning
from llmops_pipelines.lifecycle.index.search.fusion import Fusion, Pool
from llmops_pipelines.lifecycle.index.search.retrieval import Settings
from llmops_pipelines.lifecycle.index.search.tuning import TuningQuestion, tune
from llmops_pipelines.lifecycle.lake import Lake

from ..small_index import ToyEmbedder, passage, publish

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
ISLES = [f"{island}{number}" for island in ("sula", "rona", "mingu") for number in NUMBERS]
TOY = ToyEmbedder(tuple((f"x{isle}", isle) for isle in ISLES))  # xsula means sula, and no word says so


@pytest.fixture(scope="module")
def isles(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"), "isles")
    return lake, publish(lake, [passage(f"g/{isle}.md", 0, f"The harbour of {isle}.") for isle in ISLES], TOY)


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setattr(retrieval, "Embedder", TOY)


def questions(text: str, documents: list[str] = ISLES) -> list[TuningQuestion]:
    asked = zip(ISLES, documents, strict=True)
    return [TuningQuestion(text.format(isle), frozenset([f"g/{doc}.md"]), f"g/{doc}.md") for isle, doc in asked]


def noisy(seed: int, dense: float, bm25: float, size: int = 200) -> tuple[Pool, np.ndarray]:
    """A pool of ten candidates per question, of which the first is right: by how much each ranking says so."""
    random = np.random.default_rng(seed)
    pool = Pool(*(random.normal(size=(size, 10)).astype(np.float32) for _ in range(2)), 10)
    pool.dense[:, 0] += dense
    pool.bm25[:, 0] += bm25
    right = np.zeros((size, 10), bool)
    right[:, 0] = True
    return pool, right


def test_questions_in_other_words_choose_dense_search_and_questions_in_the_same_words_do_not(isles) -> None:
    meaning = tune(*isles, questions("x{}"), Embeddings(), Retrieval())
    assert meaning.facts["mrr_at_10_dense"] == 1 and meaning.facts["mrr_at_10_bm25"] == 0
    assert meaning.facts["expected_mrr_at_10"] == 1
    wrong = questions("x{}", ISLES[1:] + ISLES[:1])  # control: meaning leads to the wrong document
    assert tune(*isles, wrong, Embeddings(), Retrieval()).facts["expected_mrr_at_10"] < 0.5


def test_the_settings_that_are_written_are_those_that_are_read_and_shown(isles) -> None:
    words = Retrieval(expand="section", candidates=20)
    made = tune(*isles, questions("harbour x{}"), Embeddings(), words)
    settings = Settings.of(made)
    assert settings.expand == "section" and settings.fusion.candidates == 20
    (chosen,) = [row for row in made.table().to_pylist() if row["chosen"]]
    assert {name: chosen[name] for name in vars(settings.fusion)} == vars(settings.fusion)
    assert made.file("tuning.png").read_bytes().startswith(b"\x89PNG")
    assert made.facts["method"] == settings.fusion.method and made.facts["questions"] == len(ISLES)


def test_the_same_questions_in_any_order_are_no_new_work_and_another_question_is(isles) -> None:
    asked = questions("Is {} closed?")
    first = tune(*isles, asked, Embeddings(), Retrieval())
    assert not first.reused and tune(*isles, asked[::-1], Embeddings(), Retrieval()).reused
    assert not tune(*isles, [replace(asked[0], question="Where?"), *asked[1:]], Embeddings(), Retrieval()).reused


@pytest.mark.parametrize("asked", [[], questions("{}")[:19], [replace(each, cluster="one") for each in questions("{}")]])
def test_questions_that_say_too_little_leave_the_even_mix(isles, asked) -> None:
    made = tune(*isles, asked, Embeddings(), Retrieval())
    assert Settings.of(made) == Settings() and made.table().num_rows == 0
    assert "at least 20 on 2 are needed" in made.facts["reason"] and "expected_mrr_at_10" not in made.facts


def test_what_the_file_says_is_taken_and_only_measured(isles) -> None:
    words = Retrieval(method="hybrid", dense_weight=0.33)
    made = tune(*isles, questions("x{}"), Embeddings(), words)
    assert Settings.of(made).fusion == Fusion("hybrid", 0.33)
    assert made.facts["reason"] == "taken as given: retrieval.method is hybrid"
    (chosen,) = [row for row in made.table().to_pylist() if row["chosen"]]
    assert chosen["mrr_at_10"] == made.facts["expected_mrr_at_10"]


def test_the_stronger_ranking_gets_the_weight() -> None:
    folds = np.arange(200) % 5
    for strong, weak in ((2.0, 0.2), (0.2, 2.0)):
        measured = tuning.measure(*noisy(0, strong, weak), folds)
        chosen = measured.grid[tuning.choose(measured, folds >= 0)[0]]
        assert (chosen.dense_weight > 0.6) == (strong == 2.0) and chosen.dense_weight != 0.5


def test_a_gain_within_its_own_error_leaves_the_default() -> None:
    folds = np.arange(200) % 5
    measured = tuning.measure(*noisy(0, 1.0, 1.0), folds)
    assert tuning.choose(measured, folds >= 0)[0] == 0
    ranks = measured.ranks.copy()
    ranks[3] = 1  # control: something that is always right
    better = replace(measured, ranks=ranks, reciprocal=np.where(ranks <= 10, 1 / ranks, 0))
    assert tuning.choose(better, folds >= 0)[0] == 3


def test_what_is_expected_was_measured_on_folds_that_did_not_choose() -> None:
    """Settings that are right on one fold only look best there; chosen without that fold they are never chosen."""
    folds = np.arange(100) % 5
    ranks = np.full((8, 100), 2.0)
    for fold in range(5):
        ranks[1 + fold, folds == fold], ranks[1 + fold, folds != fold] = 1, 3
    measured = tuning.Measured([Fusion()] * 8, ranks, 1 / ranks, folds)
    assert (tuning.cross_validated(measured) == 2).all()  # peeking would have shown rank 1 everywhere
    ranks[7] = 1
    assert (tuning.cross_validated(replace(measured, ranks=ranks, reciprocal=1 / ranks)) == 1).all()


def test_a_cluster_is_in_one_fold_and_folds_are_about_equal() -> None:
    clusters = [f"c{n % 13}" for n in range(130)] + ["big"] * 20
    folds = tuning.folds_of(clusters)
    assert all(len({fold for fold, name in zip(folds, clusters, strict=True) if name == each}) == 1 for each in set(clusters))
    sizes = np.bincount(folds)
    assert len(sizes) == 5 and sizes.min() >= 20 and sizes.max() <= 40
    assert len(np.bincount(tuning.folds_of(["a", "b", "a"]))) == 2


def test_ranks_count_what_is_better_and_of_equals_what_comes_first() -> None:
    scores = np.array([[3, 1, 2], [1, 1, 1], [-np.inf, 2, 1]], np.float32)
    right = np.array([[False, False, True], [False, True, False], [True, False, False]])
    assert tuning._ranks(scores, right).tolist() == [2, 2, np.inf]
