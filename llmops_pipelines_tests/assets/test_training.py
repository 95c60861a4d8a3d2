"""A recipe that only a candidate uses fails alone: logged, named, without a version. The pipeline's own stops the run."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from llmops_pipelines.assets.training import _alone
from llmops_pipelines.config.candidates import ladder


@pytest.fixture
def both(quickstart):
    own = quickstart.recipes["quickstart_lora"]
    other = own.model_copy(update={"base": own.base.model_copy(update={"sha256": "0" * 64})})
    return replace(quickstart, recipes={"quickstart_lora": own, "other": other})


@pytest.fixture
def context():
    said: list[str] = []
    return SimpleNamespace(log=SimpleNamespace(error=lambda line, exc_info: said.append(line)), said=said)


def broken():
    raise RuntimeError("no such model\nand a long trace")


@pytest.mark.parametrize("asset", ["base_model_other", "checkpoint_other"])
def test_what_only_a_candidate_needs_is_named_and_the_run_goes_on(both, context, asset):
    result = _alone(context, both, asset, broken)
    assert result.value is None and result.metadata["work"] == "failed: RuntimeError: no such model"
    assert context.said == [f"{asset}: RuntimeError: no such model"]


@pytest.mark.parametrize("asset", ["base_model", "checkpoint"])
def test_what_the_release_needs_stops_the_run(both, context, asset):
    with pytest.raises(RuntimeError):
        _alone(context, both, asset, broken)


def test_a_fine_tuned_candidate_is_held_against_its_own_base(both):
    of_other = ladder(both.pipeline)[-1].model_copy(update={"name": "larger", "recipe": "configs/recipes/other.yaml"})
    its_base = of_other.model_copy(update={"name": "larger_base", "model": "base"})
    alone = replace(both, pipeline=both.pipeline.model_copy(update={"candidates": [of_other]}))
    assert (alone.untuned("fine_tuned_retrieval"), alone.untuned("fine_tuned")) == ("retrieval", "prompt_only")
    assert alone.untuned("larger") is None, "the base of the others is another model"
    beside = replace(both, pipeline=both.pipeline.model_copy(update={"candidates": [of_other, its_base]}))
    assert beside.untuned("larger") == "larger_base"
