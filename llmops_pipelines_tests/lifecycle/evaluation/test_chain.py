"""What the steps of a candidate do with questions: with a shelf for an index and a parrot for a model."""

import pytest

from llmops_pipelines.config.pipeline import Answers, Embeddings, Reranker
from llmops_pipelines.lifecycle.evaluation.candidates import EvaluationError, Parts
from llmops_pipelines.lifecycle.evaluation.chain import Chain
from llmops_pipelines.lifecycle.evaluation.steps import Tools, supported
from llmops_pipelines.lifecycle.index import NO_GROUP, Settings
from llmops_pipelines.lifecycle.index.search import retrieval
from llmops_pipelines.lifecycle.lake import Lake

from ..index.small_index import ToyEmbedder, passage, publish
from .asking import TEXTS, Parrot, Shelf, spec_of

REFUSAL = "not in the documents"


def chain(voice=lambda request: "Runa Estby", judge=None, judged=0, shelf=None, **words) -> Chain:
    model = None if words.get("model") == "none" else Parrot(voice)
    spec = spec_of(**words)
    return Chain(Tools(spec, model, shelf or Shelf() if spec.retrieves else None, judge, judged))


def ask(chain: Chain, question: str = "Who is master of Grey Heron?"):
    return chain.ask([question])[0]


def test_the_model_reads_the_best_passages_in_the_product_prompt():
    one = chain()
    asked = ask(one)
    assert (asked.answer, asked.refused, asked.read) == ("Runa Estby", False, TEXTS[:2])
    assert [hit.chunk_id for hit in asked.hits] == ["c0", "c1"]
    (request,) = one.tools.model.asked
    assert request.text == f"Context:\n{TEXTS[0]}\n\n{TEXTS[1]}\n\nQuestion: Who is master of Grey Heron?\nAnswer:"
    assert asked.prompt_digest == request.digest


def test_every_step_is_timed_and_counted_for_each_question():
    one = chain(steps=["rewrite", "retrieve", "answer", "verify"])
    first, second = one.ask(["Who?", "Where?"])
    assert [took.step for took in first.took] == ["rewrite", "retrieve", "answer", "verify"]
    assert [(took.tokens_in, took.tokens_out, took.cost) for took in first.took] == [
        (10, 2, 0.25),
        (0, 0, 0.0),
        (10, 2, 0.25),
        (0, 0, 0.0),
    ]
    assert first.milliseconds >= 10 and [took.step for took in second.took] == [took.step for took in first.took]


def test_users_see_what_everybody_may_see_and_more_hits_are_kept_when_they_are_ranked():
    shelf = Shelf()
    one = chain(shelf=shelf)
    one.ask(["Who?"])
    one.ask(["Who?"], ranked=3)
    assert shelf.asked == [(["Who?"], 2, NO_GROUP), (["Who?"], 3, NO_GROUP)]


def test_without_passages_nothing_is_searched_and_the_prompt_has_no_context():
    one = chain(steps=["answer"])
    asked = ask(one)
    assert (asked.hits, asked.read, asked.answer) == (None, [], "Runa Estby")
    assert one.tools.model.asked[0].text == "Question: Who is master of Grey Heron?\nAnswer:"


def test_a_rewritten_question_is_searched_and_the_own_one_is_answered():
    shelf = Shelf()
    voice = lambda request: "Who commands the  Grey Heron?" if "Rewritten" in request.text else "Runa"  # noqa: E731
    one = chain(voice, shelf=shelf, steps=["rewrite", "retrieve", "answer"])
    asked = ask(one, "so who's the boss")
    assert asked.searched == "Who commands the Grey Heron?" == shelf.asked[0][0][0]
    assert "so who's the boss" in one.tools.model.asked[-1].text


@pytest.mark.parametrize("said", ["", "word " * 200])
def test_what_is_no_question_is_not_searched_for(said):
    asked = ask(chain(lambda request: said, steps=["rewrite", "retrieve", "answer"]), "Who?")
    assert asked.searched == "Who?"


class Backwards:
    """A judge that likes the last passage best."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def scores(self, questions, passages):
        self.read = list(passages)
        return list(range(len(passages)))


def test_a_judge_reads_more_passages_than_the_model_and_decides_their_order():
    judge = Backwards()
    words = {"steps": ["retrieve", "rerank", "answer"], "reranker": Reranker.model_construct(candidates=3)}
    asked = ask(chain(judge=judge, judged=3, **words))
    assert [hit.chunk_id for hit in asked.hits] == ["c2", "c1"] and asked.read == [TEXTS[2], TEXTS[1]]
    assert judge.read[0] == f"Grey Heron\n{TEXTS[0]}" and asked.hits[0].score == 2.0
    assert [took.step for took in asked.took] == ["retrieve", "rerank", "answer"]


def test_a_refusal_in_other_spelling_is_a_refusal():
    assert ask(chain(lambda request: "Not in the documents.")).refused
    assert not ask(chain(lambda request: "in the documents")).refused


@pytest.mark.parametrize("model", ["none", "base"])
def test_without_a_passage_the_question_is_refused_and_no_model_asked(model):
    one = chain(model=model, shelf=Shelf(texts=()))
    asked = ask(one)
    assert (asked.answer, asked.refused, asked.hits) == (REFUSAL, True, [])
    assert model == "none" or one.tools.model.asked == []


def test_without_a_model_a_phrase_of_the_passages_answers():
    one = chain(model="none")
    assert ask(one, "Who is the master of Grey Heron?").answer == "Captain Runa Estby"
    nothing = ask(one, "How many penguins live in the zoo of Antwerp?")
    assert (nothing.answer, nothing.refused) == (REFUSAL, True)


def test_an_answer_that_no_passage_supports_is_withdrawn():
    steps = ["retrieve", "answer", "verify"]
    kept, withdrawn = (ask(chain(lambda request, said=said: said, steps=steps)) for said in ("Runa Estby", "Torben Quill"))
    assert (kept.answer, kept.withdrawn) == ("Runa Estby", None)
    assert (withdrawn.answer, withdrawn.refused, withdrawn.withdrawn) == (REFUSAL, True, "Torben Quill")


def test_words_support_an_answer_only_together_in_one_passage_and_numbers_always():
    passages = ["It sails at 14:30.", "The fee is 15 crowns."]
    assert supported("15 crowns", passages) and supported("at 14:30", passages)
    assert not supported("16 crowns", passages)
    assert not supported("sails for 15 crowns a day", passages)
    assert not supported("", passages) and not supported("15 crowns", [])


@pytest.mark.parametrize(("verdict", "refused"), [("Yes.", False), ("No, they do not", True), ("Yesterday", True)])
def test_a_model_that_is_asked_decides_whether_the_passages_support_it(verdict, refused):
    voice = lambda request: verdict if request.answer else "Torben Quill"  # noqa: E731
    one = chain(voice, steps=["retrieve", "answer", "verify"], verify_by="model")
    assert ask(one).refused == refused
    assert "Proposed answer: Torben Quill" in one.tools.model.asked[-1].text


@pytest.mark.parametrize("failing", ["rewrite", "answer", "verify"])
def test_a_question_that_a_step_fails_on_has_an_error_and_no_answer(failing):
    def voice(request):
        step = "verify" if request.answer else "rewrite" if "Rewritten" in request.text else "answer"
        if step == failing and request.question == "Bad?":
            raise RuntimeError("status 503")
        return "yes Runa Estby"

    steps = ["rewrite", "retrieve", "answer", "verify"]
    bad, good = chain(voice, steps=steps, verify_by="model").ask(["Bad?", "Good?"])
    assert (bad.answer, bad.refused, bad.error) == (None, False, f"{failing}: status 503")
    assert (good.answer, good.error) == ("yes Runa Estby", None)
    assert (bad.hits is None) == (failing == "rewrite")
    assert bad.took[-1].step == failing and bad.took[-1].milliseconds is None


def test_reasoning_is_left_out_of_the_answer():
    voice = lambda request: "The passage names her master.\nSo the answer is: Runa Estby"  # noqa: E731
    assert ask(chain(voice, prompt="configs/prompts/step_by_step.yaml")).answer == "Runa Estby"


def test_an_open_chain_searches_the_index_as_candidate_and_settings_say(tmp_path, monkeypatch):
    embedder = ToyEmbedder()
    monkeypatch.setattr(retrieval, "Embedder", embedder)
    lake = Lake(tmp_path, "isles")
    points = [passage("guide/heron", 0, "Captain Runa Estby is master of Grey Heron."), passage("guide/bees", 0, "Bees fly.")]
    asking = lake.once(
        "retrieval_settings", code="1", config=1, parents=[],
        write=lambda draft: draft.json("retrieval_settings", Settings().described()),
    )  # fmt: skip
    parts = Parts(publish(lake, points, embedder), asking)
    spec = spec_of(model="none", retrieval={"method": "bm25"}, answers=Answers(passages=1))
    with Chain.open(lake, spec, parts, Embeddings()) as one:
        assert one.tools.finder.settings.fusion.method == "bm25"
        asked = ask(one, "Who is master of Grey Heron?")
    assert (asked.answer, [hit.doc_id for hit in asked.hits]) == ("Captain Runa Estby", ["guide/heron"])
    reranks = spec_of(steps=["retrieve", "rerank", "answer"], model="none", reranker=Reranker.model_construct(candidates=3))
    with pytest.raises(EvaluationError, match="candidate mine reranks, but these retrieval settings name no reranker"):
        Chain.open(lake, reranks, parts, Embeddings())
