from dataclasses import replace

from llmops_pipelines.lifecycle.lineage.difference.steps import steps

from .pair import TEXTS, publish, side

OTHER = {**TEXTS, "notices/new": "A new ferry comes in May."}


def moved(before, after) -> dict:
    return {each.name: each for each in steps(before, after) if not each.same}


def test_a_bundle_is_the_same_as_itself(lake):
    found = steps(side(lake), side(lake))
    assert found and all(each.same and not each.why for each in found)


def test_what_only_follows_is_told_apart_from_what_differs_of_itself(lake):
    found = moved(side(lake), side(lake, step=2, says={"q0": "wrong"}))
    assert {name for name, each in found.items() if each.own and not each.aside} == {"chunks"}
    assert found["chunks"].why == ("settings: size",)
    assert found["index"].why[0] == "made from another chunks"
    assert found["eval_scores"].aside and not found["index"].aside


def test_parents_come_before_what_is_made_from_them(lake):
    names = [each.name for each in steps(side(lake), side(lake, texts=OTHER))]
    assert names.index("documents") < names.index("chunks") < names.index("index") < names.index("eval_scores")


def test_another_question_file_is_named_where_it_is_read(lake):
    before, after = side(lake), side(lake)
    for place, each in enumerate((before, after)):
        told = {"rows": [{"id": f"q{place}"}]}
        each.versions["eval_questions"] = publish(lake, "eval_questions", {}, {"x": place}, config=told)
        each.versions["training_examples"] = publish(lake, "training_examples", {}, {"x": place}, config=told)
    found = moved(before, after)
    assert found["eval_questions"].own and found["eval_questions"].why == ("another question file",)
    assert not found["training_examples"].own


def test_another_result_of_the_same_inputs_is_said(lake):
    before, after = side(lake), side(lake)
    trained = before.versions["checkpoint"]
    after.versions["checkpoint"] = replace(trained, manifest=trained.manifest | {"digest": "f" * 64})
    assert moved(before, after)["checkpoint"].why == ("the same code, settings and inputs gave another result",)


def test_a_part_that_one_side_does_not_have(lake):
    before, after = side(lake), side(lake)
    pairs = publish(lake, "preference_pairs", {}, {"x": 1})
    after.versions["preference_pairs"] = pairs
    found = moved(before, after)["preference_pairs"]
    assert (found.before, found.after, found.why) == (
        "",
        pairs.digest,
        ("the candidate has none, or it is gone from the lake",),
    )
