"""Whole differences: what an on-call person reads of two bundles."""

import shutil

from llmops_pipelines.lifecycle.lineage.difference import compare, page_of
from llmops_pipelines.lifecycle.lineage.difference.comparison import sentence
from llmops_pipelines.lifecycle.lineage.html import render

from .pair import QUESTIONS, TEXTS, side

ARDENT = "handbook/ardent"
EDITED = {**TEXTS, ARDENT: TEXTS[ARDENT].replace("120", "210")}
WRONG = {key: "210" for key, each in QUESTIONS.items() if each[1] == ARDENT}


def test_a_bundle_and_itself(lake):
    found = compare(side(lake, "release 1"), side(lake, "release 2"))
    assert found.same and not found.moved and found.documents is None and not found.unknown
    assert sentence(found) == "release 2 answers with the same bundle as release 1. token_f1 is the same, 1.000."


def test_an_edited_fact_and_the_questions_that_rest_on_it(lake):
    found = compare(side(lake, "release 1"), side(lake, "release 2", texts=EDITED, says=WRONG))
    assert not found.same and [each.doc_id for each in found.documents.edited] == [ARDENT]
    flips = found.questions.flips
    assert {flip.question_id for flip in flips} == {*WRONG} and (found.questions.worse, found.questions.better) == (5, 0)
    assert (flips[0].answer_before, flips[0].answer_after, flips[0].change) == ("120", "210", -1.0)
    assert flips[0].under == (f"its document was edited: {ARDENT}", "the same prompt, another answer")
    assert flips[0].documents == (ARDENT,)
    assert "token_f1 fell from 1.000 to 0.750" in sentence(found) and "5 got worse, 0 better" in sentence(found)
    assert {each.metric: each.beyond_noise for each in found.scores} == {"token_f1": True, "hit_at_5": False}


def test_a_lost_passage_is_named_with_what_was_read_instead(lake):
    elsewhere = {key: "notices/pier" for key, each in QUESTIONS.items() if each[1] == ARDENT}
    found = compare(side(lake), side(lake, model="second", says=WRONG, reads=elsewhere))
    assert found.questions.flips[0].under == (
        f"no longer read: {ARDENT}",
        "read instead: notices/pier",
        "its document is not found, was at place 1",
    )


def test_only_slices_beyond_noise_are_named(lake):
    found = compare(side(lake), side(lake, says={**WRONG, **dict.fromkeys(["q1", "q2", "q3", "q5"], "wrong")}))
    assert {(each.slice, each.value, each.metric) for each in found.slices} == {("source", "handbook", "token_f1")}


def test_another_metric_decides_when_asked(lake):
    elsewhere = {"q0": "notices/pier"}
    before, after = side(lake), side(lake, reads=elsewhere)
    assert [flip.question_id for flip in compare(before, after, "hit_at_5").questions.flips] == ["q0"]
    assert not compare(before, after).questions.flips


def test_questions_that_were_changed_or_are_new_are_no_flips(lake):
    asks = {**QUESTIONS, "q0": ("How many cars?", ARDENT, "210"), "new": ("A new one?", ARDENT, "yes")}
    del asks["q1"]
    questions = compare(side(lake), side(lake, asks=asks)).questions
    assert (questions.added, questions.removed, questions.changed, questions.flips) == (("new",), ("q1",), ("q0",), ())
    assert questions.compared == len(QUESTIONS) - 2


def test_what_one_side_lost_is_said_and_the_rest_compared(lake):
    before, after = side(lake, "release 1"), side(lake, "release 2", texts=EDITED, says=WRONG)
    shutil.rmtree(before.versions["documents"].path)
    found = compare(before, after)
    assert found.documents is None and found.questions.worse == 5
    (why,) = found.unknown
    assert why.startswith("documents of release 1 cannot be read")


def test_scores_that_are_gone_leave_the_parts(lake):
    before, after = side(lake, "release 1"), side(lake, "release 2", texts=EDITED)
    del before.versions["eval_scores"]
    found = compare(before, after)
    assert found.scores == () and found.documents.counts["edited"] == 1
    assert found.unknown == ("release 1 has no eval scores",) and "The scores cannot be compared." in sentence(found)


def test_the_page_has_all_of_it_and_escapes_documents(lake):
    hostile = {**EDITED, "notices/<script>": "<script>alert(1)</script>"}
    after = side(lake, "release 2", texts=hostile, says=WRONG, step=2, completions={ARDENT: "210"})
    page = page_of(compare(side(lake, "release 1"), after))
    assert page.mark == "bad" and page.answer.startswith("Release 2 is another bundle than release 1.")
    titles = [block.title for block in page.blocks]
    for title in (
        "Steps that differ",
        "Scores",
        "Documents",
        "Documents that differ",
        "Chunks",
        "Training examples",
        "Settings",
    ):
        assert title in titles
    text = render(page)
    assert "<script>" not in text and "notices/&lt;script&gt;" in text and f"Answer to: {QUESTIONS['q0'][0]}" in text
