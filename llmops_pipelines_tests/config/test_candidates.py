"""What may be said of candidates, and the five that are always there."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter, ValidationError

from llmops_pipelines.config.candidates import LADDER, Candidate, Candidates, ladder
from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.config.pipeline import Answers, Reranker, Retrieval

PROJECT = Path(__file__).parents[2]
SERVICE = {"url": "http://localhost:1/v1", "model": "m"}


def pipeline(*own: Candidate, reranker: bool = False) -> SimpleNamespace:
    judge = Reranker.model_construct(model="judge", sha256="0" * 64, candidates=30) if reranker else None
    training = SimpleNamespace(recipe="configs/recipes/quickstart_lora.yaml")
    retrieval = Retrieval.model_construct(reranker=judge)
    return SimpleNamespace(answers=Answers(passages=3), training=training, retrieval=retrieval, candidates=list(own))


def candidate(**words) -> Candidate:
    return Candidate.model_validate({"name": "mine", "model": "base"} | words, context={"project": PROJECT})


def test_the_ladder_climbs_from_no_model_to_a_fine_tuned_one_that_reads_passages():
    found = ladder(pipeline(candidate()))
    assert [each.name for each in found] == [*LADDER, "mine"]
    assert [(each.model, each.steps) for each in found[:5]] == [
        ("none", ("retrieve", "answer")),
        ("base", ("answer",)),
        ("base", ("retrieve", "answer")),
        ("tuned", ("answer",)),
        ("tuned", ("retrieve", "answer")),
    ]


def test_what_was_left_open_comes_from_the_pipeline():
    own = candidate(passages=5, prompt=None)
    extractive, prompt_only, retrieval, *_, mine = ladder(pipeline(own))
    assert (extractive.recipe, extractive.prompt, extractive.max_new_tokens) == (None, None, None)
    assert (prompt_only.passages, prompt_only.prompt) == (None, "configs/prompts/no_context.yaml")
    assert (retrieval.passages, retrieval.prompt) == (3, "configs/prompts/product.yaml")
    assert (mine.passages, mine.recipe, mine.max_new_tokens) == (5, "configs/recipes/quickstart_lora.yaml", 24)
    remote = candidate(model="endpoint", endpoint=SERVICE, steps=["retrieve", "answer", "verify"])
    settled = ladder(pipeline(remote))[-1]
    assert (settled.prompt, settled.verify_by) == ("configs/prompts/answer_briefly.yaml", "model")
    assert ladder(pipeline(candidate(steps=["retrieve", "answer", "verify"])))[-1].verify_by == "words"


def test_a_pipeline_with_a_reranker_uses_it_unless_the_steps_leave_it_out():
    found = ladder(pipeline(candidate(steps=["retrieve", "answer"]), reranker=True))
    assert found[2].steps == ("retrieve", "rerank", "answer")
    assert found[-1].steps == ("retrieve", "answer")
    with pytest.raises(ValueError, match="mine reranks; name a model in retrieval.reranker"):
        ladder(pipeline(candidate(steps=["retrieve", "rerank", "answer"])))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"model": "endpoint"}, "together with a section endpoint"),
        ({"endpoint": SERVICE}, "together with a section endpoint"),
        ({"model": "none", "prompt": "configs"}, "no prompt beside model: none"),
        ({"model": "none", "recipe": "configs"}, "no recipe beside model: none"),
        ({"model": "endpoint", "endpoint": SERVICE, "max_new_tokens": 9}, "an endpoint has max_tokens"),
        ({"compression": "merged"}, "model: tuned beside compression: merged"),
        ({"model": "none", "compression": "int8"}, "compression: none beside model: none"),
        ({"steps": ["retrieve"]}, "steps with answer among them"),
        ({"steps": ["answer", "retrieve"]}, "in the order rewrite, retrieve, rerank, answer, verify"),
        ({"steps": ["retrieve", "retrieve", "answer"]}, "each once"),
        ({"steps": ["answer", "verify"]}, "retrieve beside verify"),
        ({"model": "none", "steps": ["answer"]}, "without a model the passages are all there is"),
        ({"steps": ["answer"], "passages": 2}, "without it passages and retrieval mean nothing"),
        ({"model": "none", "steps": ["rewrite", "retrieve", "answer"]}, "a model for rewrite"),
        ({"retrieval": {"method": "hybrid"}}, "method: hybrid together with dense_weight"),
        ({"retrieval": {"dense_weight": 0.3}}, "method: hybrid together with dense_weight"),
        ({"name": "With Space"}, "String should match pattern"),
    ],
)
def test_what_does_not_fit_together_is_refused(words, sentence):
    with pytest.raises(ValidationError, match=sentence):
        candidate(**words)


def test_every_candidate_has_a_name_of_its_own():
    check = TypeAdapter(Candidates).validate_python
    assert len(check([candidate(), candidate(name="other")])) == 2
    with pytest.raises(ValidationError, match="'mine' is used twice"):
        check([candidate(), candidate()])
    with pytest.raises(ValidationError, match="'retrieval' is always there"):
        check([candidate(name="retrieval")])


def test_every_word_is_described():
    for model in (Candidate, Candidate.model_fields["retrieval"].annotation.__args__[0]):
        assert all(field.description for field in model.model_fields.values())


def test_an_address_carries_no_password():
    """It would be shown in Dagster, logged to MLflow and written into releases."""
    with pytest.raises(ValidationError, match="without user and password"):
        ChatEndpoint(url="https://ann:secret@models.example/v1", model="big")
    assert ChatEndpoint(url="https://models.example/v1", model="big", key="MODELS_KEY")
