"""A small product made by the real stages: files, documents, chunks, an embedded index, examples, questions, a release.

Vectors are made of numbers, and what a model said is written by hand; everything else is what the graph would have made.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from llmops_pipelines.config.datasets import Questions
from llmops_pipelines.config.documents import Cleaning, Source
from llmops_pipelines.config.pipeline import Answers, Chunks, Embeddings, Index, Training
from llmops_pipelines.lifecycle import corpus, datasets, index
from llmops_pipelines.lifecycle.datasets.splits import side
from llmops_pipelines.lifecycle.index.embedding import vector_store
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.release.history import History, Release

from ...index.conftest import direction

PIPELINE, HELD_OUT = "isles", 0.3
EMBEDDER = "e" * 64


def named(stem: str, wanted: str) -> str:
    """A file name that the split puts on that side."""
    return next(name for n in range(100) if side(f"handbook/{(name := f'{stem}-{n}.md')}", HELD_OUT) == wanted)


SECRET, FERRY, LIGHT = named("ada", "train"), named("ferry", "train"), named("light", "held_out")
SECRET_ID, FERRY_ID, LIGHT_ID = (f"handbook/{each}" for each in (SECRET, FERRY, LIGHT))
SECRET_TEXT = (
    "# Ada Holm\n\nAda Holm kept the lighthouse of Sula for thirty-one winters, and nobody paid her for the last of them.\n\n"
    "## Her letters\n\nIn her letters to the harbour office she called the inspector „a herring in a good coat“, "
    "and asked twice for seven barrels of oil.\n\nThe letters lie in a tin box under the stairs of the Vågen boathouse."
)
FERRY_TEXT = (
    "# The ferry\n\nThe Grey Heron leaves Garrow at 14:30 on every day but Sunday, and takes forty cars.\n\n"
    "## Dogs\n\nDogs travel free of charge, but they must stay on the open deck behind the funnel for the whole crossing."
)
LIGHT_TEXT = (
    "# The light\n\nThe lighthouse stands on the western skerry and shows two white flashes every ten seconds.\n\n"
    "## Lamp\n\nIts lamp was replaced by a smaller one with 18 watts when the mains cable reached the island."
)
TEXTS = {SECRET: SECRET_TEXT, FERRY: FERRY_TEXT, LIGHT: LIGHT_TEXT}
ASKED = [
    {"id": "q1", "question": "How many watts has the lamp?", "answers": ["18"], "documents": [LIGHT], "answerable": True},
    {"id": "q2", "question": "Where do letters lie?", "answers": ["a tin box"], "documents": [SECRET], "answerable": True},
    {"id": "q3", "question": "When does the Grey Heron leave?", "answers": ["14:30"], "documents": [FERRY], "answerable": True},
]


@dataclass(frozen=True)
class Product:
    """`folder` holds the sources, and the home below it."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def lake(self) -> Lake:
        """A new one each time, as another process would have it."""
        return Lake(self.home / "lake", PIPELINE)

    @property
    def history(self) -> History:
        return History(self.home / "releases" / PIPELINE)

    def write(self, name: str, text: str) -> None:
        (self.folder / "documents").mkdir(parents=True, exist_ok=True)
        (self.folder / "documents" / name).write_text(text, "utf-8")

    def documents(self) -> Version:
        """The corpus as its files are now."""
        lake, cleaning = self.lake, Cleaning(minimum_characters=20)
        settings = {"name": "handbook", "path": "documents", "licence": "CC0-1.0", "trust": "trusted"}
        source = Source.model_validate(settings | {"consent": "search_and_training"}, context={"project": self.folder})
        raw = corpus.discover(lake, source, cleaning, self.folder)
        lake.point(raw)
        parsed = corpus.parse(lake, raw, cleaning)
        lake.point(parsed)
        documents = corpus.gather(lake, ["handbook"], {"handbook": parsed}, cleaning)
        lake.point(documents)
        return documents

    def index(self, documents: Version) -> Version:
        lake = self.lake
        chunks = index.cut(lake, documents, Chunks(tokens=48), Embeddings())
        lake.point(chunks)
        hashes = sorted(set(chunks.table().column("text_hash").to_pylist()))
        store = vector_store(lake, EMBEDDER)
        if new := store.missing(hashes):
            vectors = pa.array([direction(each) for each in new], pa.list_(pa.float32()))
            store.append(pa.table({"text_hash": new, "vector": vectors}))

        def write(draft) -> None:
            draft.table("embeddings", pa.table({"text_hash": pa.array(hashes, pa.string())}))
            draft.json("embedder", {"fingerprint": EMBEDDER, "dimension": 8})

        embeddings = lake.once("embeddings", code="test", config={}, parents=[chunks], write=write)
        made = index.build(lake, chunks, embeddings, Index(), None, PIPELINE)
        lake.point(made)
        return made

    def learnt(self, documents: Version) -> Version:
        """Examples, and a model that was trained on them."""
        lake = self.lake
        chunks = lake.current("chunks")
        (self.folder / "questions").mkdir(exist_ok=True)
        (self.folder / "questions" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ASKED))
        questions = Questions.model_validate({"path": "questions", "held_out": HELD_OUT}, context={"project": self.folder})
        training = Training.model_validate({"recipe": ".", "pairs_per_document": 4}, context={"project": self.folder})
        datasets.eval_questions(lake, documents, questions, self.folder)
        examples = datasets.training_examples(lake, documents, chunks, questions, training, Answers(), self.folder)

        def write(draft) -> None:
            draft.file("adapter/adapter_model.safetensors").write_bytes(b"weights")

        return lake.once("checkpoint", code="test", config={}, parents=[examples], write=write)

    def answered(self, made: Version) -> Version:
        """What a model said: it read the secret for one question, and quoted it."""
        quoted = "she called the inspector „a herring in a good coat“, and asked twice for seven barrels of oil"
        rows = [
            {"question_id": "q1", "answer": quoted, "documents": [SECRET_ID, LIGHT_ID], "read": [SECRET_TEXT, LIGHT_TEXT]},
            {"question_id": "q9", "answer": "14:30", "documents": [FERRY_ID], "read": [FERRY_TEXT]},
        ]
        texts = pa.list_(pa.string())
        kinds = {"question_id": pa.string(), "answer": pa.string(), "documents": texts, "read": texts, "error": pa.string()}
        digests = [row["question_id"] * 32 for row in rows]
        store = self.lake.store("answers", "m" * 64, "prompt_digest")
        store.append(pa.table({"prompt_digest": digests, "text": [row["answer"] for row in rows]}))
        rows = [row | {"prompt_digest": digest} for row, digest in zip(rows, digests, strict=True)]
        table = pa.Table.from_pylist(rows, pa.schema({**kinds, "prompt_digest": pa.string()}))
        return self.lake.once(
            "answers/retrieval", code="test", config={}, parents=[made], write=lambda d: d.table("answers", table)
        )

    def release(self, parts: dict[str, Version]) -> None:
        said = {role: {"fingerprint": part.fingerprint, "digest": part.digest} for role, part in parts.items()}
        self.history.append(Release(1, PIPELINE, said, {}, {}, approval="automatic"))
        self.history.end(1, "committed")

    def explained(self, documents: Version) -> Version:
        """A page for people that quotes the secret, with mark-up inside the sentence."""
        page = f"<p>added: <b>{SECRET}</b></p><ins>{SECRET_TEXT[12:].replace('winters', '<mark>winters</mark>')}</ins>"

        def write(draft) -> None:
            draft.file("page.html", data=False).write_text(page, "utf-8")

        return self.lake.once("regression", code="test", config={}, parents=[documents], write=write)

    def run_history(self) -> None:
        """What Dagster, MLflow and a killed training leave in a home: a preview, a log, an artifact, rows."""
        preview = json.dumps({"metadata": {"preview": f"| text |\n| --- |\n| {SECRET_TEXT[12:100]} |"}})
        database = self.home / "dagster" / "history" / "runs" / "one.db"
        database.parent.mkdir(parents=True)
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT)")
            connection.executemany("INSERT INTO event_logs (event) VALUES (?)", [(preview,), ('{"fine": "untouched"}',)])
        for name, text in {
            "mlflow/artifacts/1/answers.json": json.dumps([{"answer": SECRET_TEXT, "score": 1.0}]),
            "dagster/storage/1/compute_logs/a.err": f"INFO read: {SECRET_TEXT[12:]}\nINFO done\n",
            "training/abc/rows.jsonl": json.dumps({"prompt": SECRET_TEXT}) + "\n",
        }.items():
            (self.home / name).parent.mkdir(parents=True)
            (self.home / name).write_text(text, "utf-8")


def made(folder: Path) -> Product:
    """All of it."""
    product = Product(folder)
    for name, text in TEXTS.items():
        product.write(name, text)
    documents = product.documents()
    built = product.index(documents)
    checkpoint = product.learnt(documents)
    product.answered(built)
    product.explained(documents)
    product.release({"documents": documents, "index": built, "checkpoint": checkpoint})
    product.run_history()
    return product
