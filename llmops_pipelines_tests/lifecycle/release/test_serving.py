"""Users are answered by what their release pins: its index, its model, its prompt, and nothing newer."""

import shutil
from dataclasses import asdict

import pytest

from llmops_pipelines.lifecycle.corpus import forgotten
from llmops_pipelines.lifecycle.index import Where
from llmops_pipelines.lifecycle.index.search import retrieval
from llmops_pipelines.lifecycle.index.search.fusion import Fusion
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version, digest, files
from llmops_pipelines.lifecycle.lake.digests import file_digest, text_digest
from llmops_pipelines.lifecycle.release.history import Release
from llmops_pipelines.lifecycle.release.serving import Served

from ..index.small_index import ToyEmbedder, passage, publish
from .world import SETTINGS, spec

PASSAGES = [
    passage("g/ferry.md", 0, "The Grey Heron leaves Garrow at 14:30."),
    passage("g/quay.md", 0, "The crane at the quay lifts eight tonnes."),
    passage("staff/pay.md", 0, "Wages are paid on Fridays by the office.", access=("crew",)),
]


@pytest.fixture
def lake(tmp_path, monkeypatch) -> Lake:
    monkeypatch.setattr(retrieval, "Embedder", ToyEmbedder())
    return Lake(tmp_path / "lake", "isles")


def asking(lake: Lake) -> Version:
    said = {"fusion": asdict(Fusion()), "expand": "none", "reranker": None}
    return lake.once("retrieval_settings", code="1", config={}, parents=[], write=lambda d: d.json("retrieval_settings", said))


def served(lake: Lake, parts: dict[str, Version], candidate: dict, **said) -> Served:
    named = {role: {"fingerprint": part.fingerprint, "digest": part.digest} for role, part in parts.items()}
    release = Release(3, "isles", named, SETTINGS, {}, candidate=candidate, **said)
    return Served(lake, release, lambda words: None, lambda name: None, lake.root)


@pytest.fixture
def extractive(lake) -> Served:
    how = spec("extractive", model="none", prompt=None)
    parts = {"index": publish(lake, PASSAGES, ToyEmbedder()), "retrieval_settings": asking(lake)}
    return served(lake, parts, {"spec": how.described(), "identity": digest(how.identity)})


def test_an_answer_comes_with_the_passages_that_were_read(extractive):
    reply = extractive.ask("When does the Grey Heron leave Garrow?")
    assert "14:30" in reply.answer
    assert [hit.doc_id for hit in reply.passages] == ["g/ferry.md"]


def test_a_newer_index_changes_nothing(extractive, lake):
    publish(lake, [passage("g/ferry.md", 0, "The Grey Heron leaves Garrow at 9:15.")], ToyEmbedder())
    assert "14:30" in extractive.ask("When does the Grey Heron leave Garrow?").answer


def test_only_what_the_asker_may_see_is_searched(extractive):
    question = "Which office pays wages on Fridays?"
    assert "staff/pay.md" not in {hit.doc_id for hit in extractive.search(question, 3)}
    assert extractive.search(question, 3, Where(groups=frozenset({"crew"})))[0].doc_id == "staff/pay.md"


def test_a_part_that_is_gone_is_named_with_the_way_out(extractive, lake):
    shutil.rmtree(extractive.part("index").path)
    again = Served(Lake(lake.root, "isles"), extractive.release, *[lambda _: None] * 2, lake.root)
    with pytest.raises(DamagedVersion, match="release 3 of isles needs index .*restore it from a backup, or release anew with"):
        again.search("When?", 1)


@pytest.fixture
def tuned(lake, tmp_path) -> dict[str, Version]:
    """The parts of a fine-tuned release as they have always been."""
    from ..evaluation.tiny_models import adapter_for, tiny_llama  # loads torch

    folder = tiny_llama(tmp_path / "base")
    hashes = {path.name: file_digest(path) for path in folder.iterdir()}
    known = {"folder": str(folder), "files": hashes, "weights_sha256": hashes["model.safetensors"]}

    def trained(draft) -> None:
        adapter_for(folder, draft.file("adapter"), active=True)
        draft.json("checkpoint", {"base_weights_sha256": known["weights_sha256"]})

    base = lake.once("base_model", code="1", config=hashes, parents=[], write=lambda d: d.json("base_model", known))
    checkpoint = lake.once("checkpoint", code="1", config={}, parents=[base], write=trained)
    index = publish(lake, PASSAGES, ToyEmbedder())
    return {"base_model": base, "checkpoint": checkpoint, "index": index, "retrieval_settings": asking(lake)}


@pytest.mark.slow
def test_a_release_of_an_earlier_version_still_answers(tuned, lake):
    old = served(lake, tuned, {}, format=1)
    how = spec()
    new = served(lake, tuned, {"spec": how.described(), "identity": digest(how.identity)})
    question = "When does the Grey Heron leave?"
    assert old.ask(question).answer == new.ask(question).answer
    assert [hit.doc_id for hit in old.ask(question).passages] == ["g/ferry.md"]


@pytest.mark.slow
def test_a_base_model_that_changed_on_disk_is_refused(tuned, lake, tmp_path):
    (tmp_path / "base" / "generation_config.json").write_text("{}")
    with pytest.raises(DamagedVersion, match="is not the file that release 3 was evaluated with"):
        served(lake, tuned, {}, format=1).ask("When?")


def hidden(lake: Lake, doc_id: str) -> None:
    said = {"document": text_digest(doc_id), "documents": [text_digest(doc_id)], "contents": [], "blobs": [], "state": "hidden"}
    files.replace(forgotten.folder(lake) / f"{text_digest(doc_id)}.json", files.to_json(said))


def test_a_hidden_document_is_in_no_answer_and_others_take_its_place(extractive, lake):
    question = "When does the Grey Heron leave Garrow?"
    assert extractive.search(question, 1)[0].doc_id == "g/ferry.md"
    hidden(lake, "g/ferry.md")
    assert [hit.doc_id for hit in extractive.search(question, 1)] == ["g/quay.md"]
    assert "g/ferry.md" not in [hit.doc_id for hit in extractive.ask(question).passages]
    assert "14:30" not in extractive.ask(question).answer
