"""What differs, and what only followed: a part that nobody touched is counted to the one that it was made from."""

from typing import Any

import pyarrow as pa
import pytest

from llmops_pipelines.config.candidates import Search
from llmops_pipelines.config.datasets import PromptFile
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.datasets.prompts import Prompt
from llmops_pipelines.lifecycle.index.search.fusion import Fusion
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lineage.blame.bundles import Bundle
from llmops_pipelines.lifecycle.lineage.blame.parts import Player
from llmops_pipelines.lifecycle.lineage.blame.players import players
from llmops_pipelines.lifecycle.release.candidate import Candidate

from ...index.conftest import publish_documents
from ...release.world import SETTINGS, spec

RECIPE = {"recipe": {"learning_rate": 0.001, "epochs": 2}, "deepspeed": {"zero_optimization": {"stage": 2}}}
ROWS = {"prompt": "p", "passages": 1, "refusal": "r", "rows": [{"id": "t1", "question": "Who?"}], "pairs_per_document": 4}
MIXED_EVENLY = Fusion()
TEXTS = {"d/a": "# A\n\nOne.", "d/b": "# B\n\nTwo."}


class Maker:
    """Bundles from words; what is not said is as always."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def step(self, asset: str, config: Any, parents: tuple[Version, ...] = (), **jsons: Any) -> Version:
        def write(draft) -> None:
            made_from = [parent.digest for parent in parents]  # as bytes that are made from others would
            for name, value in ({"said": config, "of": made_from} | jsons).items():
                draft.json(name, value)

        return self.lake.once(asset, code="1", config=config, parents=parents, write=write)

    def rows(self, config: dict[str, Any], parents: tuple[Version, ...], examples: dict[str, list[str]]) -> Version:
        names = pa.list_(pa.string())
        table = pa.table({"example_id": list(examples), "doc_ids": pa.array(list(examples.values()), names)})
        write = lambda draft: draft.table("training_examples", table)  # noqa: E731
        return self.lake.once("training_examples", code="1", config=config, parents=parents, write=write)

    def made(
        self,
        texts: dict[str, str] = TEXTS,
        tokens: int = 96,
        fusion: Fusion = MIXED_EVENLY,
        retrieval: dict[str, Any] | None = None,
        tuned_on: str = "questions",
        recipe: dict[str, Any] = RECIPE,
        rows: dict[str, Any] = ROWS,
        examples: dict[str, list[str]] | None = None,
        weights: str = "a" * 64,
        embedder: str = "e" * 64,
        terms: str = "search_and_training",
        **how: Any,
    ) -> Bundle:
        documents = publish_documents(self.lake, texts, consent=terms)
        chunks = self.step("chunks", tokens, (documents,), chunker={"fingerprint": f"{tokens:064}", "tokens": tokens})
        built = self.step("index", embedder, (chunks,), index={"embedder": embedder})
        described = index.Settings(fusion).described()
        asking = self.step(
            "retrieval_settings",
            {"retrieval": retrieval or {"method": "tuned"}, "questions": tuned_on},
            (built,),
            retrieval_settings=described,
        )
        learnt = self.rows(rows, (documents, chunks), examples or {f"x {name} {text}": [name] for name, text in texts.items()})
        base = self.step("base_model", weights, base_model={"weights_sha256": weights, "folder": "", "files": {}})
        trained = self.step("checkpoint", recipe, (base, learnt), checkpoint={"recipe_digest": str(recipe)})
        asked = self._asked(documents)
        parts = {"documents": documents, "chunks": chunks, "index": built, "retrieval_settings": asking, "base_model": base}
        parts |= {"checkpoint": trained, "training_examples": learnt, "eval_questions": asked}
        settings = SETTINGS | {"embeddings": {**SETTINGS["embeddings"], "revision": embedder[:40]}}
        return Bundle(self.lake, Candidate(spec(**how), parts, settings))

    def _asked(self, documents: Version) -> Version:
        write = lambda draft: draft.table("eval_questions", pa.table({"id": ["e1"]}))  # noqa: E731
        return self.lake.once("eval_questions", code="1", config=[], parents=[documents], write=write)


@pytest.fixture
def maker(tmp_path) -> Maker:
    return Maker(Lake(tmp_path / "lake", "isles"))


def found(good: Bundle, bad: Bundle) -> dict[str, Player]:
    return {player.name: player for player in players(good, bad)}


def test_equal_bundles_have_no_players(maker):
    assert found(maker.made(), maker.made()) == {}


def test_each_part_is_named_with_what_changed(maker):
    prompt = Prompt(PromptFile(description="Other.", template="{context}\nQ: {question}\nA:"))
    cases = {
        "chunker": ({"tokens": 24, "examples": {"x": []}}, {"examples": {"x": []}}, "tokens 96 -> 24"),
        "retriever": ({"passages": 3, "search": Search(method="bm25")}, {}, "passages 1 -> 3, search.method none -> bm25"),
        "prompt": ({"prompt": prompt}, {}, "prompt: template changed"),
        "answering": ({"max_new_tokens": 48}, {}, "max_new_tokens 24 -> 48"),
        "training": ({"recipe": RECIPE | {"recipe": {"learning_rate": 0.1, "epochs": 2}}}, {}, "learning_rate 0.001 -> 0.1"),
    }
    for name, (bad, good, said) in cases.items():
        changes = found(maker.made(**good), maker.made(**bad))
        assert list(changes) == [name] and said in changes[name].said and changes[name].roots == ()


def test_a_checkpoint_trained_anew_on_other_documents_follows_from_them(maker):
    changes = found(maker.made(), maker.made(TEXTS | {"d/b": "# B\n\nThree."}))
    assert changes["documents"].said == "1 edited; 2 documents now"
    assert changes["training"].roots == ("documents",)
    assert changes["training"].said == "trained anew, because of documents"


def test_documents_that_may_not_be_learnt_from_any_more_are_the_cause_although_no_text_changed(maker):
    changes = found(maker.made(), maker.made(terms="search", examples={"x": ["d/a"]}))
    assert list(changes) == ["training"] and changes["training"].roots == ("documents",)


def test_a_recipe_that_was_changed_is_to_blame_whatever_the_documents_did(maker):
    recipe = {"recipe": {"learning_rate": 0.1, "epochs": 2}}
    changes = found(maker.made(), maker.made({"d/a": TEXTS["d/a"]}, recipe=recipe))
    assert changes["training"].roots == () and "learning_rate 0.001 -> 0.1" in changes["training"].said


@pytest.mark.parametrize(("key", "value", "root"), [("prompt", "q", "prompt"), ("passages", 4, "retriever")])
def test_training_rows_that_follow_from_another_setting_are_counted_to_that(maker, key, value, root):
    bad = maker.made(rows=ROWS | {key: value}, examples={"other": []})
    assert found(maker.made(), bad)["training"].roots == (root,)


def test_fewer_training_rows_are_the_trainings_own_doing(maker):
    changes = found(maker.made(), maker.made(rows=ROWS | {"pairs_per_document": 1}, examples={"x": []}))
    assert changes["training"].said == "training rows: pairs_per_document 4 -> 1" and changes["training"].roots == ()


def test_questions_of_the_evaluation_side_are_not_the_trainings_doing(maker):
    learnt, asked = (ROWS | {"rows": [*ROWS["rows"], {"id": name, "question": "What?"}]} for name in ("t2", "e1"))
    own = found(maker.made(), maker.made(rows=learnt, examples={"x": []}))["training"]
    assert own.said == "training rows: 1 questions of the train side changed" and own.roots == ()
    assert found(maker.made(), maker.made(rows=asked, examples={"x": []}))["training"].roots == ("eval set",)


def test_when_documents_and_questions_changed_the_rows_are_counted(maker):
    rows = ROWS | {"rows": [{"id": "t1", "question": "Whom?"}]}
    texts = TEXTS | {"d/b": "# B\n\nThree."}
    examples = {"x d/a # A\n\nOne.": ["d/a"], "new": ["d/a"], "b1": ["d/b"], "b2": ["d/b"]}
    player = found(maker.made(), maker.made(texts, rows=rows, examples=examples))["training"]
    assert player.roots == ("documents", "training")
    assert player.weights == {"documents": 3.0, "training": 1.0}  # the good side had one row about d/b


def test_settings_tuned_anew_on_another_index_follow_from_it(maker):
    mixed = Fusion(dense_weight=0.7)
    changes = found(maker.made(), maker.made(tokens=24, fusion=mixed, examples={"x": []}))
    assert changes["retriever"].roots == ("chunker",) and "fusion.dense_weight 0.5 -> 0.7" in changes["retriever"].said
    asked = found(maker.made(), maker.made(tuned_on="other questions", fusion=mixed))["retriever"]
    assert asked.roots == () and asked.said.startswith("tuned anew, since the questions of the train side changed")
    by_hand = found(maker.made(), maker.made(tokens=24, fusion=mixed, retrieval={"method": "hybrid"}))
    assert by_hand["retriever"].roots == () and by_hand["retriever"].said == "method tuned -> hybrid"


def test_what_does_not_fit_the_other_side_is_swapped_as_one(maker):
    recipe = RECIPE | {"recipe": {"epochs": 3}}
    changes = found(maker.made(), maker.made(weights="b" * 64, recipe=recipe))
    assert list(changes) == ["base"] and changes["base"].parts == {"base", "training"}
    other = found(maker.made(), maker.made(weights="b" * 64, model="none", prompt=None))
    assert list(other) == ["answering"] and {"answering", "prompt", "base"} <= other["answering"].parts


def test_another_embedder_says_which_settings_changed(maker):
    changes = found(maker.made(), maker.made(embedder="f" * 64))
    assert list(changes) == ["embedder"] and changes["embedder"].said.startswith("revision eeee")


def test_a_candidate_that_finds_nothing_is_not_asked_about_its_index(maker):
    alone = {"steps": ("answer",), "passages": 0}
    good, bad = maker.made(**alone), maker.made(TEXTS | {"d/b": "# B\n\nThree."}, tokens=24, **alone)
    assert list(found(good, bad)) == ["training"] and found(good, bad)["training"].roots == ("documents", "chunker")
