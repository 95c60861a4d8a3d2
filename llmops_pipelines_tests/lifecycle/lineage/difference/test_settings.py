from dataclasses import replace

from llmops_pipelines.lifecycle.datasets.prompts import PRODUCT, Prompt
from llmops_pipelines.lifecycle.lineage.difference import Side
from llmops_pipelines.lifecycle.lineage.difference.settings import Change, all_changes, changes, packages, rewritten, terms

from .pair import side


def other(side: Side, **said) -> Side:
    """The same bundle with another record."""
    return replace(side, record=replace(side.record, **said))


def test_a_setting_is_told_by_its_path_and_both_values():
    old = {"fusion": {"candidates": 50, "method": "rrf"}, "steps": ["retrieve", "answer"], "gone": 1}
    new = {"fusion": {"candidates": 20, "method": "rrf"}, "steps": ["answer"], "new": False}
    assert list(changes("retriever", old, new)) == [
        Change("retriever", "fusion.candidates", 50, 20),
        Change("retriever", "steps", "retrieve, answer", "answer"),
        Change("retriever", "gone", 1, None),
        Change("retriever", "new", None, False),
    ]


def test_of_long_lists_only_the_difference_is_told():
    rows = [{"id": f"q{place}", "answer": place} for place in range(20)]
    (change,) = changes("eval_questions", {"rows": rows}, {"rows": [*rows[1:], {"id": "q0", "answer": 7}]})
    assert (change.before, change.after) == ("20 entries, only here: q0", "20 entries, only here: q0")


def test_an_empty_value_is_none_at_all():
    assert list(changes("a", {"x": None, "y": []}, {"y": {}})) == []


def test_settings_of_doors_candidate_and_steps(lake):
    before, after = side(lake), side(lake, step=2, passages=3, settings={"index": {"quantization": "int8"}})
    told = {(each.where, each.path): (each.before, each.after) for each in all_changes(before, after)}
    assert told[("settings", "index.quantization")] == ("none", "int8")
    assert told[("candidate", "passages")] == (1, 3)
    assert told[("chunker", "size")] == (1, 2)
    assert not any("digest" in path or "sha256" in path for _, path in told)
    assert all_changes(before, before) == ()


def test_words_of_a_prompt_are_told_line_by_line(lake):
    words = PRODUCT.words.model_copy(update={"template": PRODUCT.words.template + "\nAnswer in French."})
    (found,) = rewritten(side(lake), side(lake, prompt=Prompt(words)))
    assert found.name == "prompt" and ("+", "Answer in French.") in found.lines
    assert not [line for line in found.lines if line[0] == "-"]


def test_packages_and_the_code_with_them(lake):
    before = other(side(lake), packages={"torch": "2.1", "ruamel.yaml": "1"}, code="0.1+a")
    after = other(side(lake), packages={"torch": "2.2", "ruamel.yaml": "1"}, code="0.1+b")
    assert packages(before, after) == (Change("code", "version", "0.1+a", "0.1+b"), Change("package", "torch", "2.1", "2.2"))
    assert packages(side(lake), after) == ()  # a candidate does not record them


def test_another_licence_of_a_source_and_of_the_base_model(lake):
    row = {"source": "handbook", "licence": "MIT", "consent": "search", "trust": "trusted", "documents": 3}
    before = other(side(lake), terms={"documents": [row], "base_model": {"licence": "MIT"}})
    after = other(side(lake), terms={"documents": [row | {"licence": "GPL-3.0"}], "base_model": {"licence": "Apache-2.0"}})
    assert {*terms(before, after)} == {
        Change("terms", "base_model.licence", "MIT", "Apache-2.0"),
        Change("terms", "source handbook.MIT, search, trusted", 3, None),
        Change("terms", "source handbook.GPL-3.0, search, trusted", None, 3),
    }
