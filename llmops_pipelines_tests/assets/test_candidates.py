"""Candidates fail alone: the others go on, the one that failed is named, and old results of it are not taken for new ones."""

from types import SimpleNamespace

import pytest

from llmops_pipelines.assets.candidates import for_each
from llmops_pipelines.lifecycle.evaluation import EvaluationError, made_from
from llmops_pipelines.lifecycle.lake import Lake


class Context:
    """What `for_each` needs of Dagster's context."""

    def __init__(self, *names: str) -> None:
        self.partition_keys = list(names)
        self.said: dict[str, str] = {}
        self.log = SimpleNamespace(error=lambda *_, **__: None)
        self.asset_key = SimpleNamespace(path=["quickstart", "answers"])

    def add_asset_metadata(self, metadata, partition_key) -> None:
        self.said[partition_key] = metadata["work"]


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "quickstart")


def broken(name, candidate):
    if candidate.model == "tuned":
        raise RuntimeError(f"{name} has no weights\nand a long trace")
    return f"version of {name}"


def test_one_that_fails_is_named_and_the_others_go_on(quickstart, lake):
    context = Context("extractive", "fine_tuned", "retrieval")
    lake.point(lake.once("answers/fine_tuned", code="1", config=0, parents=[], write=lambda draft: draft.json("a", 1)))
    made = for_each(quickstart, context, lake, broken)
    assert lake.current("answers/fine_tuned") is None, "what it said last week would be taken for what it says now"
    assert made == {"extractive": "version of extractive", "retrieval": "version of retrieval"}
    assert context.said == {"fine_tuned": "failed: RuntimeError: fine_tuned has no weights"}


def test_when_all_fail_the_step_fails_with_the_first_reason(quickstart, lake):
    with pytest.raises(RuntimeError, match="fine_tuned_retrieval has no weights"):
        for_each(quickstart, Context("fine_tuned_retrieval", "fine_tuned"), lake, broken)


def test_work_may_be_about_some_candidates_only(quickstart, lake):
    context = Context("extractive", "retrieval")
    made = for_each(quickstart, context, lake, broken, only=lambda candidate: candidate.model == "base")
    assert list(made) == ["retrieval"]
    assert context.said["extractive"].startswith("not done")


class TestMadeFrom:
    questions = SimpleNamespace(asset="eval_questions", digest="new")

    def test_a_version_of_the_parents_as_they_are_now_is_taken(self):
        fresh = SimpleNamespace(asset="answers/a", parents={"eval_questions": "new"})
        assert made_from({"a": fresh}, "a", self.questions) is fresh

    def test_a_version_of_other_parents_is_refused(self):
        stale = SimpleNamespace(asset="answers/a", parents={"eval_questions": "old"})
        with pytest.raises(EvaluationError, match="answers/a was made from another version of eval_questions"):
            made_from({"a": stale}, "a", self.questions)

    def test_a_candidate_without_a_version_is_named(self):
        with pytest.raises(EvaluationError, match="candidate a failed"):
            made_from({}, "a", self.questions)
