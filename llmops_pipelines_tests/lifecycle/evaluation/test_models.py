"""Models with a memory: what is asked only once, what is never kept, and which model's memory it is."""

from dataclasses import replace

import pytest

from llmops_pipelines.lifecycle.datasets.prompts import PRODUCT
from llmops_pipelines.lifecycle.evaluation import models
from llmops_pipelines.lifecycle.evaluation.candidates import Parts
from llmops_pipelines.lifecycle.evaluation.generation import Generation
from llmops_pipelines.lifecycle.evaluation.models import Kept, LocalModel, OneByOne, Request, identity_of
from llmops_pipelines.lifecycle.lake import Lake

from .asking import Parrot, spec_of


def requests(*questions: str) -> list[Request]:
    return [Request(PRODUCT, ("A passage.",), question) for question in questions]


def kept(tmp_path, voice=lambda request: request.question.upper(), identity: str = "a" * 64) -> Kept:
    return Kept(Parrot(voice), Lake(tmp_path, "demo"), identity)


def test_the_same_prompt_reaches_the_model_once(tmp_path):
    memory = kept(tmp_path)
    first = memory.say(requests("one", "two", "one"))
    again = memory.say(requests("two", "three"))
    assert [said.text for said in first + again] == ["ONE", "TWO", "ONE", "TWO", "THREE"]
    assert [request.question for request in memory.model.asked] == ["one", "two", "three"]
    assert (memory.made, memory.reused) == (3, 1)
    assert kept(tmp_path).say(requests("one"))[0] == first[0]  # another process, the same lake


def test_another_model_has_another_memory(tmp_path):
    kept(tmp_path).say(requests("one"))
    other = kept(tmp_path, voice=lambda request: "other", identity="b" * 64)
    assert other.say(requests("one"))[0].text == "other"


def test_a_failure_is_not_kept(tmp_path):
    def broken(request):
        if request.question == "two":
            raise RuntimeError("status 503")
        return "fine"

    first = kept(tmp_path, broken).say(requests("one", "two"))
    assert [(said.text, said.error) for said in first] == [("fine", None), (None, "status 503")]
    later = kept(tmp_path)
    assert [said.text for said in later.say(requests("one", "two"))] == ["fine", "TWO"] and later.made == 1


def test_a_crash_costs_the_prompts_since_the_last_save(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "SAVE_EVERY", 2)

    def dies(request):
        if request.question == "four":
            raise KeyboardInterrupt
        return "fine"

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, dies).say(requests("one", "two", "three", "four", "five"))
    later = kept(tmp_path)
    later.say(requests("one", "two", "three", "four", "five"))
    assert [request.question for request in later.model.asked] == ["three", "four", "five"]


def test_times_of_prompts_asked_alone_are_measured_once_after_a_warm_up(tmp_path):
    memory = kept(tmp_path)
    memory.say(requests("one", "two"))
    alone = OneByOne(memory)
    first = alone.say(requests("one", "two"))
    assert len(memory.model.asked) == 2 + 1 + 2  # the batch, the warm-up, one at a time
    assert [said.text for said in first] == ["ONE", "TWO"] and all(0 < said.milliseconds < 5 for said in first)
    assert OneByOne(memory).say(requests("one", "two")) == first and len(memory.model.asked) == 5


def test_a_prompt_is_another_one_when_the_model_may_reason():
    (plain,) = requests("one")
    reasoning = replace(plain, prompt=replace(PRODUCT, words=PRODUCT.words.model_copy(update={"chain_of_thought": True})))
    assert plain.text == reasoning.text and plain.digest != reasoning.digest


def test_a_local_model_is_loaded_by_the_first_prompt_and_writes_lines_only_where_it_may():
    class Echo:
        def generate(self, prompts, max_new_tokens, *, one_line):
            return [Generation(f"{one_line}", 1, 2.0, len(text)) for text in prompts]

    loads = []
    model = LocalModel(lambda: loads.append(1) or Echo(), 9)
    assert loads == []
    (plain,) = requests("one")
    reasoning = replace(plain, prompt=replace(PRODUCT, words=PRODUCT.words.model_copy(update={"chain_of_thought": True})))
    assert [said.text for said in model.say([reasoning, plain, reasoning])] == ["False", "True", "False"]
    model.say([plain])
    assert loads == [1] and model.say([plain])[0].cost == 0.0


def test_answers_are_kept_under_what_decides_them():
    endpoint = {"url": "http://a/v1", "model": "m"}

    def identity(**words) -> str:
        return identity_of(spec_of(model="endpoint", endpoint={**endpoint, **words}), Parts())

    assert identity() == identity(seconds=1.0, price_in=9.0)
    assert len({identity(), identity(model="n"), identity(max_tokens=9), identity(temperature=0.5)}) == 4
