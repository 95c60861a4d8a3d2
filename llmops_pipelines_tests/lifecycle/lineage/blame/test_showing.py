"""The page of a verdict, and the sentences that it opens with."""

from dataclasses import replace

from llmops_pipelines.lifecycle.lineage.blame import Blame, Part, page
from llmops_pipelines.lifecycle.lineage.blame.answer import Documents, Flipped, GuiltyDocument, Interaction, Through, Total
from llmops_pipelines.lifecycle.lineage.blame.verdicts import conclude, is_noise
from llmops_pipelines.lifecycle.lineage.page import Bars, Edit, Table

FALL = Total("token_f1", 0.6, 0.5, -0.1, -0.15, -0.05, 200, 0.04, (0.6, 0.5))
DOCUMENTS = Part("documents", "5 edited; 200 documents now", -0.08, -0.12, -0.04, -0.08, -0.12, -0.04)
CHUNKER = Part("chunker", "tokens 96 -> 24", -0.02, -0.05, 0.01, -0.02, -0.05, 0.01)


def blamed(*parts: Part, total: Total = FALL, **said) -> Blame:
    return conclude(Blame("noise", "", "release 3", "release 4", total, parts, **said))


def test_the_part_that_certainly_fell_is_guilty_and_a_trifle_is_not():
    found = blamed(DOCUMENTS, CHUNKER)
    assert [part.guilty for part in found.parts] == [True, False] and found.verdict == "guilty"
    assert found.sentence == (
        "documents (-0.080) made it worse: token_f1 0.600 -> 0.500 (-0.100, 95 % interval -0.150 to -0.050)"
    )


def test_when_no_part_is_certain_the_largest_is_named_all_the_same():
    doubtful = replace(DOCUMENTS, high=0.01)
    assert [part.guilty for part in blamed(doubtful, CHUNKER).parts] == [True, False]


def test_the_instrument_moved_when_most_of_the_fall_is_its_own():
    judge = Part("judge", "another judge: a -> b", -0.07, -0.1, -0.04)
    assert blamed(judge, CHUNKER).verdict == "the judge moved"
    assert blamed(replace(DOCUMENTS, share=-0.08), replace(judge, share=-0.02)).verdict == "guilty"
    moved = blamed(replace(judge, name="eval set"))
    assert moved.verdict == "the eval set moved" and "the evaluation set moved, not the product" in moved.sentence


def test_interacting_parts_and_what_went_through_others_are_said():
    through = replace(DOCUMENTS, through=[Through("training", -0.03, "trained anew, because of documents")])
    found = blamed(through, CHUNKER, interaction=Interaction(-0.05, -0.07, -0.03, True))
    assert "documents (-0.080, -0.030 of it through training)" in found.sentence
    assert "parts interact (-0.050 beyond their single effects)" in found.sentence
    assert any(isinstance(block, Table) and block.title == "What went through other parts" for block in page(found).blocks)


def test_noise_is_an_interval_that_holds_zero():
    assert is_noise(replace(FALL, high=0.01)) and not is_noise(FALL)


def test_a_page_shows_shares_documents_edits_and_questions_and_what_to_do_next():
    guilty = GuiltyDocument("d/a.md", "edited", ["q1", "q2"], 0, [("-", "It opens at six."), ("+", "It opens at nine.")])
    documents = Documents([guilty], (), changed=5, flipped=2, explained=2, confirmed=2, trials=3, whole=True)
    found = replace(blamed(DOCUMENTS, CHUNKER), documents=documents)
    found = replace(found, flipped=[Flipped(f"q{n}", "When?", 1.0, 0.0, "documents", ["d/a.md"]) for n in range(30)])
    shown = page(found, "shop", (3, 4))
    blocks = {block.title: block for block in shown.blocks}
    bars = blocks["Shares of the change in token_f1"]
    assert isinstance(bars, Bars) and bars.bars[0] == ("documents", -0.08, -0.12, -0.04)
    assert blocks["Guilty documents"].rows[0][2] == "q1, q2"
    assert isinstance(blocks["d/a.md (edited)"], Edit)
    assert len(blocks["Questions that got worse"].rows) == 20 and blocks["Questions that got worse"].more == "and 10 more"
    assert shown.mark == "bad"
    assert [command for _, command in shown.next] == ["llmops diff shop 3 4", "llmops release rollback shop --to 3"]
