"""What was decided is compared with what it replaces; only a fall is explained, and a failure to explain it is told."""

import pytest

from llmops_pipelines.assets.regression import _linked
from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.lineage.blame import Blame, Part
from llmops_pipelines.lifecycle.lineage.blame.answer import Total
from llmops_pipelines.lifecycle.lineage.regression import PAGE, judged
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines_tests.lifecycle.release.world import CATALOGUE, GOOD, WEAK, candidate, spec, world

LAX = Gate(minimum=0.0, not_worse_than_champion_by=1.0)
STRICT = Gate(minimum=0.3)
NEWER = [score + 0.1 for score in GOOD]


@pytest.fixture
def moves(tmp_path) -> Moves:
    return world(tmp_path, name="quickstart")


class Blaming:
    """Remembers what it was asked, and blames the index for it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.error = error

    def __call__(self, pair, metric: str) -> Blame:
        self.asked.append((pair.good.name, pair.bad.name, metric))
        if self.error:
            raise self.error
        guilty = Part("documents", "5 documents edited", -0.25, -0.3, -0.2, guilty=True)
        total = Total(metric, 0.5, 0.25, -0.25, -0.3, -0.2, 10, 0.1)
        return Blame("guilty", "documents made it worse", pair.good.name, pair.bad.name, total, [guilty])


def released(moves: Moves, model: str, values: list[float], gate: Gate = LAX) -> Version:
    made = candidate(moves.lake, model, values, base=[score / 4 for score in values])
    return promote(moves, answering(moves, made), gate, CATALOGUE)


def answering(moves: Moves, made):
    """The same candidate with answers that say what the candidate does, as the graph's do."""

    def write(draft) -> None:
        import pyarrow as pa

        draft.json("candidate", spec().described())
        rows = [{"question_id": "q0", "step": "answer", "milliseconds": 1.0, "tokens_in": 1, "tokens_out": 1, "cost": 0.0}]
        draft.table("timings", pa.Table.from_pylist(rows))

    asset = "answers/fine_tuned_retrieval"
    version = moves.lake.once(asset, code="2", config=made.bundle, parents=[], write=write)
    return type(made)(made.spec, {**made.parts, "answers": version}, made.settings, made.problems, made.run, made.purpose)


def said(moves: Moves, decision: Version, blame) -> tuple[Version, dict]:
    version = judged(moves.lake, moves.history, decision, LAX, blame)
    return version, version.json("regression")


def test_the_first_release_has_nothing_to_be_worse_than(moves):
    version, told = said(moves, released(moves, "first", GOOD), blame := Blaming())
    assert told["outcome"] == "nothing before" and not version.has(PAGE) and not blame.asked


def test_a_better_release_costs_nothing(moves):
    released(moves, "first", GOOD)
    version, told = said(moves, released(moves, "second", NEWER), blame := Blaming())
    assert told["outcome"] == "no regression" and "token_f1 +0.100" in told["why"]
    assert not version.has(PAGE) and not blame.asked and _linked(version) == {}


def test_a_worse_release_is_explained_once_on_one_page(moves):
    released(moves, "first", GOOD)
    decision = released(moves, "second", WEAK)
    version, told = said(moves, decision, blame := Blaming())
    assert (told["outcome"], told["blame"]) == ("regressed", "documents made it worse")
    assert blame.asked == [("release 1", "release 2", "token_f1")]
    page = version.file(PAGE).read_text("utf-8")
    for words in ("release 2 against release 1", "documents made it worse", "5 documents edited", "Steps that differ"):
        assert words in page, words
    again, _ = said(moves, decision, blame)
    assert again.reused and len(blame.asked) == 1
    seen = _linked(version)
    assert seen["page"].path.endswith(PAGE) and "5 documents edited" in seen["gist"].md_str


def test_a_refused_candidate_is_compared_with_what_stays_live(moves):
    released(moves, "first", GOOD)
    decision = released(moves, "second", WEAK, STRICT)
    assert decision.facts["outcome"] == "refused"
    _, told = said(moves, decision, blame := Blaming())
    assert told["outcome"] == "regressed" and moves.history.live().epoch == 1
    assert blame.asked == [("release 1", "the candidate that was not released", "token_f1")]


def test_a_blame_that_fails_is_told_on_the_page_and_tried_again(moves):
    released(moves, "first", GOOD)
    decision = released(moves, "second", WEAK)
    version, told = said(moves, decision, Blaming(MemoryError("no room")))
    assert "could not be found out: MemoryError: no room" in told["blame"] and told["outcome"] == "regressed"
    assert "MemoryError: no room" in version.file(PAGE).read_text("utf-8")
    mended, told = said(moves, decision, Blaming())
    assert told["blame"] == "documents made it worse" and mended.fingerprint != version.fingerprint


def test_scores_that_cannot_be_compared_are_neither_good_nor_bad(moves):
    released(moves, "first", GOOD)
    decision = released(moves, "second", GOOD * 3)
    _, told = said(moves, decision, blame := Blaming())
    assert told["outcome"] == "not comparable" and not blame.asked


def test_a_candidate_is_put_together_again_from_its_decision(moves):
    made = answering(moves, candidate(moves.lake))
    again = Candidate.decided(moves.lake, promote(moves, made, LAX, CATALOGUE))
    assert (again.spec, again.named, again.settings) == (made.spec, made.named, made.settings)
