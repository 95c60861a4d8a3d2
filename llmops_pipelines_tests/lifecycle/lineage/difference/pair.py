"""Bundles as the stages leave them, small enough to see: what is not named in `bundle` is the same in all of them."""

import uuid
from collections.abc import Mapping
from statistics import fmean

import pyarrow as pa

from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, packed_ids
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.lineage.difference import Side
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines_tests.lifecycle.release.world import SETTINGS, base_model, checkpoint, spec

TEXTS = {
    "handbook/ardent": "MV Ardent sails from Oban. It carries 120 cars.",
    "handbook/osk": "Saint Osk has a stair lift. It carries 160 kilograms.",
    "handbook/fares": "A day ticket is 12 pounds. Children pay half.",
    "notices/pier": "The pier is closed on Mondays. It opens at 9:00.",
}
QUESTIONS = {  # id -> (question, its document, what is right)
    f"q{place}": (f"{question} ({place})", document, right)
    for place, (question, document, right) in enumerate(
        [
            ("How many cars does MV Ardent carry?", "handbook/ardent", "120"),
            ("What does the stair lift carry?", "handbook/osk", "160 kilograms"),
            ("What is a day ticket?", "handbook/fares", "12 pounds"),
            ("When does the pier open?", "notices/pier", "9:00"),
        ]
        * 5
    )
}
STRINGS = pa.list_(pa.string())


def side(lake: Lake, name: str = "the candidate", **said) -> Side:
    return Side.of_candidate(lake, bundle(lake, **said), name)


def bundle(
    lake: Lake,
    texts: Mapping[str, str] = TEXTS,
    *,
    terms: Mapping[str, Mapping] | None = None,
    step: int = 1,
    model: str = "first",
    completions: Mapping[str, str] | None = None,
    says: Mapping[str, str] | None = None,
    reads: Mapping[str, str] | None = None,
    asks: Mapping[str, tuple[str, str, str]] = QUESTIONS,
    settings: Mapping | None = None,
    **told,
) -> Candidate:
    """`texts` are the documents and `terms` what is special about them; `step` is the number of sentences in a chunk, `model`
    the checkpoint, `completions` what is taught otherwise, `says` and `reads` answers and documents that are not right."""
    documents = corpus(lake, texts, terms or {})
    chunks = cut(lake, documents, texts, step)
    index = held(lake, chunks)
    questions = asked(lake, asks, documents)
    examples = taught(lake, documents, completions or {})
    trained = checkpoint(lake, f"{model} {examples.digest}")
    right = {key: says.get(key, each[2]) if says else each[2] for key, each in asks.items()}
    found = {key: (reads or {}).get(key, each[1]) for key, each in asks.items()}
    answers = said(lake, right, found, [questions, index])
    parts = {
        "documents": documents,
        "chunks": chunks,
        "index": index,
        "retrieval_settings": publish(lake, "retrieval_settings", {}, {"retrieval_settings": {"fusion": {"candidates": 50}}}),
        "eval_questions": questions,
        "training_examples": examples,
        "base_model": base_model(lake),
        "checkpoint": trained,
        "answers": answers,
        "eval_scores": scored(lake, asks, right, found, [questions, answers]),
    }
    return Candidate(spec(**told), parts, {**SETTINGS, **(settings or {})})


def publish(
    lake: Lake, asset: str, tables: Mapping[str, pa.Table], json: Mapping | None = None, parents=(), config=None
) -> Version:
    def write(draft) -> None:
        for name, table in tables.items():
            draft.table(name, table)
        for name, value in (json or {}).items():
            draft.json(name, value)

    if config is None:
        known = {name: table.to_pylist() for name, table in tables.items()}
        config = {"content": text_digest(str([known, json]))}
    return lake.once(asset, code="1", config=config, parents=parents, write=write)


def corpus(lake: Lake, texts: Mapping[str, str], terms: Mapping[str, Mapping]) -> Version:
    store = lake.store("texts", "v1", "content_hash")
    hashes = {text_digest(text): text for text in texts.values()}
    new = store.missing(hashes)
    store.append(pa.table({"content_hash": new, "text": [hashes[each] for each in new]}))
    usual = {"licence": "CC0-1.0", "language": "en", "access": [], "consent": "search", "trust": "trusted"}
    rows = [
        {"doc_id": name, "source": name.split("/")[0], "content_hash": text_digest(text), **usual, **terms.get(name, {})}
        for name, text in sorted(texts.items())
    ]
    kinds = {name: pa.string() for name in ("doc_id", "source", "content_hash", *usual)} | {"access": STRINGS}
    return publish(lake, "documents", {"documents": pa.Table.from_pylist(rows, pa.schema(kinds))})


def cut(lake: Lake, documents: Version, texts: Mapping[str, str], step: int) -> Version:
    rows = []
    for name, text in sorted(texts.items()):
        sentences = text.split(". ")
        for at in range(0, len(sentences), step):
            piece = ". ".join(sentences[at : at + step])
            key = uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {text} {step} {at}")
            rows.append({"chunk_id": str(key), "doc_id": name, "text_hash": text_digest(piece)})
    table = pa.Table.from_pylist(rows)
    return publish(lake, "chunks", {"chunks": table}, {"chunker": {"size": step}}, [documents], {"size": step})


def held(lake: Lake, chunks: Version) -> Version:
    import numpy as np

    ids = packed_ids(chunks.table().column("chunk_id").to_pylist())
    table = Holdings.of([(ids, np.zeros(len(ids), np.uint64))], "index").table()
    return publish(lake, "index", {"holdings": table}, {"content": chunks.digest}, [chunks], {"engine": "edge"})


def asked(lake: Lake, asks: Mapping[str, tuple[str, str, str]], documents: Version) -> Version:
    rows = [
        {"id": key, "question": question, "answers": [right], "documents": [document], "answerable": True}
        for key, (question, document, right) in asks.items()
    ]
    return publish(lake, "eval_questions", {"eval_questions": pa.Table.from_pylist(rows)}, None, [documents], {"rows": rows})


def taught(lake: Lake, documents: Version, completions: Mapping[str, str]) -> Version:
    rows = []
    for question, document, right in dict.fromkeys(QUESTIONS.values()):
        completion = completions.get(document, right)
        row = {"prompt": f"Read. {question}", "completion": completion, "question": question, "doc_ids": [document]}
        if completion:
            rows.append({"example_id": text_digest(str(row))[:16], **row})
    return publish(lake, "training_examples", {"training_examples": pa.Table.from_pylist(rows)}, parents=[documents])


def said(lake: Lake, right: Mapping[str, str], found: Mapping[str, str], parents: list[Version]) -> Version:
    plain = {"refused": False, "withdrawn": None, "error": None}
    rows = [
        {"question_id": key, "answer": answer, "passages": [f"chunk of {found[key]}"], "documents": [found[key]], **plain}
        | {"read": [f"text of {found[key]}"], "prompt_digest": text_digest(found[key])}
        for key, answer in right.items()
    ]
    return publish(lake, "answers/tuned", {"answers": pa.Table.from_pylist(rows)}, parents=parents)


def scored(lake: Lake, asks, right: Mapping[str, str], found: Mapping[str, str], parents: list[Version]) -> Version:
    by_metric = {
        "token_f1": {key: float(right[key] == each[2]) for key, each in asks.items()},
        "hit_at_5": {key: float(found[key] == each[1]) for key, each in asks.items()},
    }
    rows = [
        {"question_id": key, "metric": metric, "score": score, "error": None}
        for metric, scores in by_metric.items()
        for key, score in scores.items()
    ]
    members = [{"question_id": key, "slice": "source", "value": each[1].split("/")[0]} for key, each in asks.items()]
    tables = {"eval_scores": pa.Table.from_pylist(rows), "members": pa.Table.from_pylist(members)}
    json = {
        "summary": {metric: {"mean": fmean(scores.values())} for metric, scores in by_metric.items()},
        "measures": dict.fromkeys(by_metric, "text"),
        "asked": {key: text_digest(str(each)) for key, each in asks.items()},
    }
    return publish(lake, "eval_scores/tuned", tables, json, parents)
