"""Questions to passages through a real index: the right ones, only what the caller may see, refusal of what does not fit."""

import os
from pathlib import Path

import numpy as np
import pytest

from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index, Reranker, Retrieval
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index.embedders.embedder import Embedder
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING, Where
from llmops_pipelines.lifecycle.index.errors import IndexingError
from llmops_pipelines.lifecycle.index.search import lexical, retrieval
from llmops_pipelines.lifecycle.index.search.fusion import Fusion
from llmops_pipelines.lifecycle.index.search.retrieval import Retriever, Settings
from llmops_pipelines.lifecycle.lake import Lake

from ..conftest import FERRY, LIGHT, QUAY, publish_documents
from ..small_index import ToyEmbedder, passage, publish
from ..versions_of import said_of

SAME = ToyEmbedder((("boat", "ferry"), ("sails", "leaves"), ("hound", "dogs")))
TIMES = [
    passage("g/ferry.md", 0, "The ferry leaves at nine.", "Times", title="Ferry"),
    passage("g/ferry.md", 1, "On Sundays it leaves at ten.", "Times", title="Ferry"),
    passage("g/ferry.md", 2, "Dogs travel free on the open deck.", "Dogs", title="Ferry"),
    passage("g/ferry.md", 3, "A muzzle is not needed.", "Dogs", title="Ferry"),
]
OTHERS = [
    passage("g/quay.md", 0, "The crane at the quay lifts eight tonnes."),
    passage("staff/pay.md", 0, "Wages of the ferry crew are paid on Fridays.", access=("crew", "office")),
    passage("staff/pay.md", 1, "The captain gets an extra of nine hundred.", access=("office",)),
    passage("h/faehre.md", 0, "Hunde fahren mit den Häusern umsonst.", language="de", trust="untrusted"),
]


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"), "isles")
    return lake, publish(lake, TIMES + OTHERS, SAME)


@pytest.fixture
def opened(version, monkeypatch):
    """Opens the index with some settings; closed at the end of the test."""
    monkeypatch.setattr(retrieval, "Embedder", SAME)
    kept = []

    def open_with(settings: Settings | None = None) -> Retriever:
        kept.append(Retriever.open(*version, Embeddings(), settings))
        return kept[-1]

    yield open_with
    for retriever in kept:
        retriever.close()


def texts(retriever: Retriever, question: str, where: Where = retrieval.NO_GROUP, k: int = 10) -> list[str]:
    return [hit.text for hit in retriever.search([question], k, where)[0]]


def test_dense_finds_meaning_bm25_finds_words_and_hybrid_finds_both(opened) -> None:
    dense, bm25 = opened(Settings(Fusion("dense", 1.0))), opened(Settings(Fusion("bm25", 0.0)))
    assert texts(dense, "When sails the boat?")[0] == TIMES[0].text
    assert texts(bm25, "When sails the boat?") == []  # no word in common, and 'the' is none
    assert texts(bm25, "Is a muzzle needed?") == [TIMES[3].text]
    hybrid = opened()
    assert texts(hybrid, "When sails the boat?")[0] == TIMES[0].text
    assert texts(hybrid, "Is a muzzle needed?")[0] == TIMES[3].text


def test_a_hit_says_all_that_is_known_of_its_passage(opened) -> None:
    (hit,) = opened().search(["Hunde umsonst"], 1)[0]
    german = OTHERS[-1]
    assert (hit.chunk_id, hit.doc_id, hit.source, hit.trust) == (german.chunk_id, "h/faehre.md", "h", "untrusted")
    assert (hit.text, hit.context, hit.licence, hit.page) == (german.text, german.text, "CC0-1.0", 0)


def test_many_questions_are_answered_as_each_alone(opened, monkeypatch) -> None:
    monkeypatch.setattr(retrieval, "QUESTIONS_AT_ONCE", 2)
    asked = ["ferry", "the", "crane", "When sails the boat?", "Häuser"]
    retriever = opened()
    assert retriever.search(asked, 3) == [retriever.search([question], 3)[0] for question in asked]
    assert retriever.search([], 3) == []
    assert [len(row) for row in retriever.search(asked, 50)] == [6] * 5  # all that everybody may see


def test_words_are_looked_up_in_every_language_of_the_corpus(opened) -> None:
    retriever = opened(Settings(Fusion("bm25", 0.0)))
    assert retriever.languages == ["en", "de"]
    assert texts(retriever, "Haus") == [OTHERS[-1].text]  # a German stem, and an English question beside it:
    assert texts(retriever, "travelling") == [TIMES[2].text]


@pytest.mark.parametrize("way", [Fusion("dense", 1.0), Fusion("bm25", 0.0), Fusion("hybrid"), Fusion("rrf")])
@pytest.mark.parametrize("expand", ["none", "neighbours", "section"])
def test_nobody_sees_passages_of_groups_they_are_not_in(opened, way, expand) -> None:
    retriever = opened(Settings(way, expand))
    secret = {OTHERS[1].text, OTHERS[2].text}

    def seen(where: Where) -> set[str]:
        hits = [hit for row in retriever.search(["wages of the ferry crew and the captain"], 10, where) for hit in row]
        return {text for text in secret if any(text in (hit.text + hit.context) for hit in hits)}

    assert seen(retrieval.NO_GROUP) == set() == seen(Where(groups=frozenset({"guests"})))
    assert seen(Where(groups=frozenset({"crew"}))) == {OTHERS[1].text}
    assert seen(Where(groups=frozenset({"office"}))) == secret == seen(EVERYTHING)


def test_callers_choose_sources_languages_and_trust(opened) -> None:
    everything = opened(Settings(Fusion("dense", 1.0)))
    assert {hit.source for hit in everything.search(["ferry"], 10, Where(sources=("g",)))[0]} == {"g"}
    assert texts(everything, "ferry", Where(languages=("de",))) == [OTHERS[-1].text]
    assert OTHERS[-1].text not in texts(everything, "Hunde", Where(trusted_only=True))


def test_small_passages_bring_along_what_stands_around_them(opened) -> None:
    def context(expand: str, question: str) -> str:
        return opened(Settings(Fusion("bm25", 0.0), expand)).search([question], 1)[0][0].context

    one, two, three, four = (point.text for point in TIMES)
    assert context("none", "Sundays") == two
    assert context("neighbours", "Sundays") == f"{one}\n{two}\n{three}"
    assert context("neighbours", "muzzle") == f"{three}\n{four}"
    assert context("section", "Sundays") == f"{one}\n{two}"
    assert context("section", "crane") == OTHERS[0].text


def test_words_that_passages_share_at_a_cut_are_read_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(retrieval, "Embedder", SAME)
    lake = Lake(tmp_path, "isles")
    cut = ["The ferry leaves at nine from the old quay.", "from the old quay. Dogs travel free.", "Dogs travel. A muzzle"]
    made = publish(lake, [passage("g/ferry.md", n, text) for n, text in enumerate(cut)], SAME)
    with Retriever.open(lake, made, Embeddings(), Settings(Fusion("bm25", 0.0), "neighbours")) as retriever:
        (hit,) = retriever.search(["free"], 1)[0]
    assert hit.context == "The ferry leaves at nine from the old quay. Dogs travel free.\nDogs travel. A muzzle"


def test_a_reranker_has_the_last_word_on_the_best_candidates(version, opened) -> None:
    class Shortest:
        def scores(self, questions, passages):
            assert questions == ["ferry leaves"] * 2  # it reads as many as it is told to
            return np.array([-len(passage) for passage in passages])

    plain = opened()
    judged = Retriever(plain.embedder, plain.reader, Settings(reranker=judge(2)), plain.where, Shortest())  # type: ignore[arg-type]
    before, after = texts(plain, "ferry leaves", k=2), texts(judged, "ferry leaves", k=2)
    assert sorted(before) == sorted(after) and after == sorted(after, key=len)
    assert [hit.score for hit in judged.search(["ferry leaves"], 1)[0]] == [-len(f"Ferry > Times\n{after[0]}")]


def judge(candidates: int) -> Reranker:
    return Reranker.model_construct(model="judge", sha256="0" * 64, candidates=candidates)


def test_settings_say_what_the_file_says_and_come_back_from_json(version) -> None:
    assert Settings.given(Retrieval(method="dense")).fusion == Fusion("dense", 1.0)
    assert Settings.given(Retrieval(method="bm25", candidates=7)).fusion == Fusion("bm25", 0.0, candidates=7)
    assert Settings.given(Retrieval(method="hybrid", dense_weight=0.3)).fusion == Fusion("hybrid", 0.3)
    assert Settings.given(Retrieval()) == Settings()
    settings = Settings(Fusion("rrf", 0.3, rrf_k=2), "section", judge(3))
    lake, _ = version
    kept = lake.once(
        "kept", code="1", config={}, parents=[], write=lambda d: d.json("retrieval_settings", settings.described())
    )
    assert Settings.of(kept) == settings


def test_another_embedder_and_a_reranker_that_is_not_there_are_refused(version, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(retrieval, "Embedder", ToyEmbedder(fingerprint="another toy"))
    with pytest.raises(IndexingError, match="index isles was made by embedder toy"):
        Retriever.open(*version, Embeddings())
    monkeypatch.setattr(retrieval, "Embedder", SAME)
    with pytest.raises(IndexingError, match="judge has no config.json and no tokenizer.json and no model.safetensors"):
        Retriever.open(*version, Embeddings(), Settings(reranker=judge(2)), project=tmp_path)


def test_real_questions_find_their_passage_by_words_alone(tmp_path) -> None:
    """390 passages and 1,721 questions of SQuAD through the index; the control asks with words in a different order."""
    from benchmarks import retrieval as benchmark

    folder = Path(__file__).parents[5] / "shared" / "data" / "squad"
    if not folder.is_dir() and "CI" not in os.environ:
        pytest.skip(f"{folder} is absent: it holds the questions")
    known = benchmark.load(folder, embedded=False)
    with benchmark.indexed(known) as reader:
        ranks = benchmark.ranks_of(known, benchmark.ours(known, reader, Fusion("bm25", 0.0, candidates=10)))
        assert (ranks == 1).mean() > 0.81 and np.where(ranks <= 10, 1 / ranks, 0).mean() > 0.87
        pairless = [lexical.question_vectors([" ".join(sorted(text.split()))])[0] for text in known.questions[:400]]
        found = [said_of(reader, row) for row in reader.sparse(pairless, 1, EVERYTHING)]
    gold = [f"squad/{known.passages[number]['id']}" for number in known.gold]
    assert np.mean([row[0].doc_id == doc for row, doc in zip(found, gold, strict=False)]) < (ranks[:400] == 1).mean()


@pytest.fixture(scope="module")
def published(tmp_path_factory, one_thread):
    lake = Lake(tmp_path_factory.mktemp("lake"), "isles")
    documents = {"g/ferry.md": FERRY, "g/light.md": LIGHT, "g/quay.md": QUAY, "h/ferry.md": FERRY}
    cut = index.cut(lake, publish_documents(lake, documents), Chunks(), Embeddings())
    return lake, index.build(lake, cut, index.embed(lake, cut, Embeddings()), Index(), None, "isles")


def test_with_the_real_model_a_question_finds_its_passage(published) -> None:
    with Retriever.open(*published, Embeddings()) as retriever:
        dogs, lamp = retriever.search(["May I take my dog along?", "Who built the lighthouse?"], k=3)
        assert len(retriever.search(["Anything"], k=50)[0]) == 8
    assert {hit.doc_id for hit in dogs[:2]} == {"g/ferry.md", "h/ferry.md"}  # equal text in two documents: both are found
    assert dogs[0].text == "## Dogs\n\nDogs travel free, but only on the open deck." and dogs[0].heading == "The ferry > Dogs"
    assert lamp[0].doc_id == "g/light.md" and "Ada Holm" in lamp[0].text and lamp[0].title == "The light"


def test_with_the_real_model_neighbours_are_found_by_their_ids(published) -> None:
    with Retriever.open(*published, Embeddings(), Settings(expand="neighbours")) as retriever:
        (hit,) = retriever.search(["Who built the lighthouse?"], k=1)[0]
    assert "Ada Holm" in hit.text and "twenty miles" not in hit.text
    assert "Ada Holm" in hit.context and "twenty miles" in hit.context


def test_nothing_new_to_embed_is_no_work_for_the_model(published, monkeypatch) -> None:
    monkeypatch.delattr(Embedder, "embed")
    lake = published[0]
    cut = index.cut(lake, publish_documents(lake, {"g/ferry.md": FERRY}), Chunks(), Embeddings())
    fewer = index.embed(lake, cut, Embeddings())
    assert (fewer.facts["embedded"], fewer.facts["reused_embedded"]) == (0, 2)
