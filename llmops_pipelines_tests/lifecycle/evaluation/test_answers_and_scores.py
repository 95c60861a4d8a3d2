"""From questions to scores with a tiny model: what is stored, what is reused, what is refused."""

import math
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle.evaluation import EvaluationError, answer, answers, compare, plots, score
from llmops_pipelines.lifecycle.index import EVERYTHING, Hit, Where
from llmops_pipelines.lifecycle.lake import Lake, Version

pytestmark = pytest.mark.slow

QUESTIONS = [
    {"id": "q1", "question": "Who?", "answers": ["Runa Estby"], "documents": ["d/a"], "answerable": True, "cluster": "d/a"},
    {"id": "q2", "question": "Where?", "answers": ["at Tolm"], "documents": ["d/b"], "answerable": True, "cluster": "d/b"},
    {"id": "q3", "question": "Why?", "answers": [], "documents": ["d/a"], "answerable": False, "cluster": "d/a"},
]
SETTINGS = Answers(passages=2, max_new_tokens=6)


class Shelf:
    """Finds document d/a first and d/b second, whatever the question."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], int]] = []

    def search(self, questions: list[str], k: int, where: Where) -> list[list[Hit]]:
        assert where == EVERYTHING, "our own questions are searched with every group"
        self.asked.append((questions, k))
        found = [Hit(f"c{n}", doc, doc, "", f"Passage {n}.", 1 - n / 10) for n, doc in enumerate(["d/a", "d/a", "d/b"])]
        return [found for _ in questions]


class Lengths:
    """An embedder that only sees how long a text is."""

    def embed(self, texts: list[str]) -> np.ndarray:
        angles = np.array([len(text) for text in texts], dtype=np.float32) / 40
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@dataclass
class Bench:
    lake: Lake
    tiny: Path
    shelf: Shelf
    adapter: str = "active"
    base_weights: str = "1" * 64

    def publish(
        self, asset: str, *, rows: list[dict] | None = None, json: dict | None = None, copy: Path | None = None
    ) -> Version:
        def write(draft) -> None:
            if rows is not None:
                draft.table(asset, pa.Table.from_pylist(rows))
            if json is not None:
                draft.json(asset, json)
            if copy is not None:
                folder = draft.file("adapter")
                folder.mkdir()
                for path in copy.iterdir():
                    (folder / path.name).write_bytes(path.read_bytes())

        return self.lake.once(asset, code="test", config=[rows, json], parents=[], write=write)

    def questions(self, rows: list[dict] = QUESTIONS) -> Version:
        return self.publish("eval_questions", rows=rows)

    def answer(self, settings: Answers = SETTINGS, retriever: object = None) -> Version:
        index, asking = self.publish("index", json={"sequence": 1}), self.publish("retrieval_settings", json={"fusion": {}})
        base = self.publish("base_model", json={"folder": str(self.tiny / "base"), "weights_sha256": "1" * 64})
        facts = {"base_weights_sha256": self.base_weights, "adapter_sha256": self.adapter}
        checkpoint = self.publish("checkpoint", json=facts, copy=self.tiny / self.adapter)
        given = (self.lake, self.questions(), index, asking, base, checkpoint, settings, Embeddings())
        return answer(*given, connect=None, retriever=retriever or self.shelf)

    def score(self, answered: Version, questions: Version | None = None, settings: Answers = SETTINGS) -> Version:
        documents = self.publish("documents", rows=[{"doc_id": "d/a"}, {"doc_id": "d/b"}])
        return score(self.lake, questions or self.questions(), answered, documents, settings, Embeddings(), embedder=Lengths())

    def said(self, texts: dict[str, tuple[str, str]]) -> Version:
        """Answers as if the candidates (base, fine-tuned) had said `texts` (by question)."""
        rows = [
            {
                "question_id": key,
                "candidate": name,
                "answer": text,
                "passages": ["c0", "c2"],
                "documents": ["d/a", "d/b"],
                "prompt_digest": key,
            }
            for key, both in texts.items()
            for name, text in zip(("base", "fine_tuned"), both, strict=True)
        ]
        return self.publish("answers", rows=rows)


draw = plots.draw


@pytest.fixture
def bench(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(plots, "draw", lambda summary, path: path.touch())  # a sixth of a second each; one test draws
    return Bench(Lake(tmp_path / "lake", "demo"), tiny, Shelf())


GOOD = {"q1": ("Runa", "Runa Estby"), "q2": ("nowhere", "at Tolm"), "q3": ("yes", "not in the documents")}


def test_both_candidates_answer_every_question_from_the_same_prompt(bench):
    version = bench.answer()
    rows = version.table().to_pylist()
    assert [(row["question_id"], row["candidate"]) for row in rows] == [
        (key, name) for name in ("base", "fine_tuned") for key in ("q1", "q2", "q3")
    ]
    digests = [{row["prompt_digest"] for row in rows if row["question_id"] == key} for key in ("q1", "q2", "q3")]
    assert [len(each) for each in digests] == [1, 1, 1] and len(set.union(*digests)) == 3
    assert rows[0]["passages"] == ["c0", "c1", "c2"] and rows[0]["documents"] == ["d/a", "d/a", "d/b"]
    assert bench.shelf.asked == [(["Who?", "Where?", "Why?"], 10)]  # found once, for both
    assert version.facts["different_answers"] > 0
    timings = version.table("timings").to_pylist()
    assert len(timings) == 6 and all(row["milliseconds"] > 0 and row["tokens"] >= 1 for row in timings)


def test_an_adapter_that_changes_nothing_shows(bench):
    bench.adapter = "idle"
    assert bench.answer().facts["different_answers"] == 0


def test_a_new_checkpoint_does_not_make_the_base_answer_again(bench):
    bench.adapter = "idle"
    assert bench.answer().facts["base_generated"] == 3
    bench.adapter = "active"
    facts = bench.answer().facts
    assert (facts["base_generated"], facts["base_reused"], facts["fine_tuned_generated"]) == (0, 3, 3)


def test_only_prompts_that_changed_are_answered_again(bench):
    bench.answer()

    class Edited(Shelf):
        def search(self, questions, k, where):
            hits = super().search(questions, k, where)
            return [[replace(hits[0][0], text="Edited.")], *hits[1:]]

    bench.lake = replace(bench.lake)
    asset = bench.lake.root / "demo" / "answers"
    asset.rename(asset.with_name("answers_of_yesterday"))
    facts = bench.answer(retriever=Edited()).facts
    assert (facts["base_generated"], facts["base_reused"]) == (1, 2)


def test_a_checkpoint_of_other_base_weights_is_refused(bench):
    bench.base_weights = "2" * 64
    with pytest.raises(EvaluationError, match="trained on base weights 222222222222, the base model has 111111111111"):
        bench.answer()


def test_scores_have_one_row_per_question_candidate_and_metric(bench):
    version = bench.score(bench.said(GOOD))
    rows = version.table().to_pylist()
    keys = [(row["question_id"], row["candidate"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["question_id"] for row in rows if row["metric"] == "token_f1"} == {"q1", "q2", "q3"}
    assert {row["question_id"] for row in rows if row["metric"] == "hit_at_5"} == {"q1", "q2"}  # q3 has no right document
    assert all(row["error"] is None and math.isfinite(row["score"]) for row in rows)


def test_the_summary_and_the_facts_by_hand(bench):
    version = bench.score(bench.said(GOOD))
    summary, facts = version.json("summary"), version.facts
    assert summary["fine_tuned"]["token_f1"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 3, "coverage": 1.0}
    assert facts["base_token_f1"] == pytest.approx(2 / 9, abs=1e-4)  # "Runa" against "Runa Estby" is 2/3
    assert facts["difference_token_f1"] == pytest.approx(7 / 9, abs=1e-4)
    assert 0 < facts["difference_token_f1_low"] < facts["difference_token_f1_high"] == 1.0
    assert facts["hit_at_1"] == 0.5 and facts["mrr_at_10"] == 0.75 and facts["context_recall"] == 1.0
    assert facts["coverage"] == 1.0 and facts["errors"] == 0 and facts["retrieved_unknown_documents"] == 0
    assert summary["base"]["refusal_right"]["mean"] == pytest.approx(2 / 3)


def test_an_answer_that_is_missing_lowers_coverage_and_is_no_zero(bench):
    version = bench.score(bench.said({key: GOOD[key] for key in ("q1", "q3")}))
    errors = [row for row in version.table().to_pylist() if row["error"]]
    assert {(row["question_id"], row["error"]) for row in errors} == {("q2", "no answer was recorded")}
    assert version.facts["coverage"] == 0.5 and version.facts["errors"] == len(errors)
    found = version.json("summary")["fine_tuned"]["token_f1"]
    assert (found["mean"], found["n"], found["coverage"]) == (1.0, 2, pytest.approx(2 / 3))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_an_error(bench, monkeypatch, bad):
    from ragas.metrics.collections import NonLLMStringSimilarity

    async def broken(self, reference, response):
        return bad if response == "at Tolm" else 1.0

    monkeypatch.setattr(NonLLMStringSimilarity, "ascore", broken)
    version = bench.score(bench.said(GOOD))
    rows = [row for row in version.table().to_pylist() if row["error"]]
    assert [(row["question_id"], row["candidate"], row["error"]) for row in rows] == [
        ("q2", "fine_tuned", f"the score is {bad}")
    ]
    assert version.json("summary")["difference"]["string_similarity"]["n"] == 2  # pairs with a score on both sides


def test_a_metric_that_fails_on_every_row_has_no_mean(bench, monkeypatch):
    from ragas.metrics.collections import NonLLMStringSimilarity

    async def broken(self, reference, response):
        raise RuntimeError("down")

    monkeypatch.setattr(NonLLMStringSimilarity, "ascore", broken)
    version = bench.score(bench.said(GOOD))
    found = version.json("summary")["base"]["string_similarity"]
    assert found == {"mean": None, "low": None, "high": None, "n": 0, "coverage": 0.0}
    assert version.facts["coverage"] == 0.0 and "base_string_similarity" not in version.facts


def test_candidates_that_saw_different_prompts_are_not_compared(bench):
    rows = bench.said(GOOD).table().to_pylist()
    rows[0]["prompt_digest"] = "other"
    with pytest.raises(EvaluationError, match="question q1: the candidates did not see the same prompt"):
        bench.score(bench.publish("answers", rows=rows))


def test_a_deleted_document_that_is_still_found_is_counted(bench):
    answered = bench.said(GOOD)
    documents = bench.publish("documents", rows=[{"doc_id": "d/a"}])
    version = score(bench.lake, bench.questions(), answered, documents, SETTINGS, Embeddings(), embedder=Lengths())
    assert version.facts["retrieved_unknown_documents"] == 1


def test_the_figure_is_900_pixels_wide(bench, monkeypatch):
    from matplotlib.image import imread

    monkeypatch.setattr(plots, "draw", draw)
    version = bench.score(bench.said(GOOD))
    assert imread(version.file("scores.png")).shape[1] == 900
    assert version.has("scores.png")


def test_releases_are_compared_over_the_questions_that_both_answered(bench):
    old = bench.score(bench.said({"q1": ("", "Runa"), "q2": ("", "at Tolm")}))
    new = bench.score(bench.said(GOOD))
    low, high = compare(old, new)
    assert low == 0.0 and high == pytest.approx(1 / 3)  # q1 gained 1/3, q2 nothing
    worse = compare(new, old)
    assert worse == (pytest.approx(-1 / 3), 0.0)
    assert compare(old, new, metric="unknown") is None


AGAIN = """
import sys
from pathlib import Path
from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle.evaluation import answer, score
from llmops_pipelines.lifecycle.lake import Lake

lake = Lake(Path(sys.argv[1]), "demo")
one = {name: lake.versions(name)[0] for name in
       ("eval_questions", "index", "retrieval_settings", "base_model", "checkpoint", "documents")}
settings = Answers(passages=2, max_new_tokens=6)
parts = [one[name] for name in ("eval_questions", "index", "retrieval_settings", "base_model", "checkpoint")]
said = answer(lake, *parts, settings, Embeddings())
scored = score(lake, one["eval_questions"], said, one["documents"], settings, Embeddings())
heavy = {"torch", "transformers", "ragas", "numpy", "pyarrow", "matplotlib"} & sys.modules.keys()
print(said.reused, scored.reused, sorted(heavy))
"""


def test_unchanged_input_loads_no_heavy_library(bench):
    bench.score(bench.answer())
    done = subprocess.run([sys.executable, "-c", AGAIN, str(bench.lake.root)], capture_output=True, text=True, check=False)
    assert done.stdout == "True True []\n", done.stderr


def test_answers_are_kept_under_model_adapter_and_length(bench):
    base = bench.publish("base_model", json={"folder": "x", "weights_sha256": "1" * 64})

    def identities(adapter: str, tokens: int) -> list[str]:
        facts = {"base_weights_sha256": "1" * 64, "adapter_sha256": adapter}
        checkpoint = bench.publish("checkpoint", json=facts)
        settings = Answers(max_new_tokens=tokens)
        return [candidate.identity for candidate in answers._candidates(base, checkpoint, settings)]

    (base_8, one_8), (same, two_8), (base_9, one_9) = identities("1", 8), identities("2", 8), identities("1", 9)
    assert base_8 == same
    assert len({base_8, one_8, two_8, base_9, one_9}) == 5
