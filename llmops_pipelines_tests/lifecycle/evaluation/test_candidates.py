"""A candidate with its files read: how it searches, how large it is, and what of it a release keeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llmops_pipelines.config.pipeline import Answers, Reranker
from llmops_pipelines.lifecycle.evaluation.candidates import EvaluationError, Parts, Spec, megabytes
from llmops_pipelines.lifecycle.index import Settings
from llmops_pipelines.lifecycle.index.search.fusion import Fusion
from llmops_pipelines.lifecycle.lake import Lake, Version

from .asking import spec_of

TUNED = Settings(Fusion("hybrid", 0.3, "linear", 12.0), "section", Reranker.model_construct(model="judge", candidates=9))


@pytest.mark.parametrize(
    ("own", "fusion", "expand"),
    [
        (None, TUNED.fusion, "section"),
        ({"expand": "none"}, TUNED.fusion, "none"),
        ({"method": "bm25", "candidates": 7}, Fusion("bm25", 0.0, "linear", 12.0, candidates=7), "section"),
        ({"method": "hybrid", "dense_weight": 0.9}, Fusion("hybrid", 0.9, "linear", 12.0), "section"),
    ],
)
def test_a_candidate_searches_as_the_pipeline_does_where_it_says_nothing_else(own, fusion, expand):
    found = spec_of(retrieval=own).searching(TUNED)
    assert (found.fusion, found.expand) == (fusion, expand)
    assert found.reranker is None  # a step of its own, so that its time is seen


def test_what_a_release_keeps_is_json_and_enough_to_answer_with():
    words = {"steps": ["rewrite", "retrieve", "answer", "verify"], "verify_by": "model", "retrieval": {"expand": "none"}}
    spec = spec_of(**words)
    kept = json.loads(json.dumps(spec.described()))
    assert Spec.read(kept) == spec and kept["verify"]["system"].startswith("You check answers.")
    assert spec_of(steps=["answer"]).described()["rewrite"] is None


def test_a_change_of_the_prompt_is_another_candidate_and_a_new_name_is_not(tmp_path):
    folder = tmp_path / "configs" / "prompts"
    folder.mkdir(parents=True)

    def identity(template: str, description: str = "One.", name: str = "mine") -> dict:
        (folder / "own.yaml").write_text(f"description: {description}\ntemplate: '{template}'\n")
        return spec_of(project=tmp_path, prompt="configs/prompts/own.yaml", name=name).identity

    same = identity("{context} {question}")
    assert same == identity("{context} {question}", description="Two.", name="yours")
    assert same != identity("{context} Q: {question}")


def test_the_length_of_answers_is_nothing_to_a_candidate_without_a_model():
    short, long = Answers(max_new_tokens=4), Answers(max_new_tokens=40)
    assert spec_of(short, model="none").identity == spec_of(long, model="none").identity
    assert spec_of(short).identity != spec_of(long).identity


@pytest.fixture
def parts(tmp_path) -> Parts:
    """A base of 3 MB with an adapter of 1 MB, and both as one compressed model of 2 MB."""

    def version(asset: str, folder: str, size: int, **jsons) -> Version:
        def write(draft) -> None:
            home = Path(draft.file(folder))
            home.mkdir()
            (home / f"{folder}.safetensors").write_bytes(bytes(size))
            for name, value in jsons.items():
                draft.json(name, value)

        return Lake(tmp_path, "demo").once(asset, code="1", config=size, parents=[], write=write)

    known = {"folder": str(tmp_path), "files": {"base.safetensors": "", "notes.txt": ""}, "weights_sha256": "1" * 64}
    (tmp_path / "base.safetensors").write_bytes(bytes(3_000_000))
    trained = {"base_weights_sha256": "1" * 64, "kind": "adapter"}
    return Parts(
        base=version("base_model/r", "nothing", 0, base_model=known),
        checkpoint=version("checkpoint/r", "adapter", 1_000_000, checkpoint=trained),
        compressed=version("compressed/r", "model", 2_000_000),
    )


def test_the_size_of_a_candidate_is_that_of_the_weights_it_answers_with(parts):
    def size(**words) -> float | None:
        return megabytes(spec_of(**words), parts)

    assert (size(model="none"), size(model="base"), size(model="tuned")) == (0, 3, 4)
    assert size(model="tuned", compression="int8") == 2
    assert size(model="endpoint", endpoint={"url": "http://a/v1", "model": "m"}) is None


def test_a_compressed_model_stands_for_its_base_and_checkpoint(parts):
    closed = {"model": "tuned", "steps": ["answer"]}
    assert [version.asset for version in spec_of(**closed).parents(parts)] == ["base_model/r", "checkpoint/r"]
    assert [version.asset for version in spec_of(**closed, compression="int8").parents(parts)] == ["compressed/r"]
    with pytest.raises(EvaluationError, match="candidate mine has no compressed model"):
        spec_of(**closed, compression="int8").parents(Parts(base=parts.base, checkpoint=parts.checkpoint))


@pytest.mark.parametrize("part", ["base", "checkpoint"])
def test_a_compressed_model_of_another_base_or_checkpoint_is_refused(parts, part, tmp_path):
    """When compressing failed tonight, last week's model must not answer in the name of today's."""
    lake, made = Lake(tmp_path, "demo"), [parts.base, parts.checkpoint]
    fresh = lake.once("compressed/r", code="2", config=0, parents=made, write=lambda draft: draft.json("x", 1))
    now = replace(parts, compressed=fresh)
    assert spec_of(model="tuned", steps=["answer"], compression="int8").parents(now) == [fresh]
    newer = lake.once(getattr(parts, part).asset, code="2", config=0, parents=[], write=lambda draft: draft.json("x", 2))
    with pytest.raises(EvaluationError, match=f"compressed/r was made from another {newer.asset}"):
        spec_of(model="tuned", steps=["answer"], compression="int8").parents(replace(now, **{part: newer}))
