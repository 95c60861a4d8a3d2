"""What indexes a changing folder of files elsewhere: LangChain, LlamaIndex, CocoIndex. One run each, state kept in a folder.

All cut into pieces of 512 characters, embed by a hash that costs nothing, and write into a store that keeps next to nothing.
"""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CHARACTERS = 512
NEEDS = {
    "LangChain": ["langchain_core", "langchain_classic", "langchain_text_splitters"],
    "LlamaIndex": ["llama_index.core"],
    "CocoIndex": ["cocoindex"],
}


@dataclass
class Ran:
    """`points` are those that the system believes to be in its store, `points_of` those of one file; `due` texts are new."""

    embedded: int
    points: Callable[[], int]
    points_of: Callable[[str], int]
    stages: dict[str, float] = field(default_factory=dict)
    due: int = 0


def read(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


def langchain(folder: Path, state: Path, embed: Callable[[str], Any]) -> Ran:
    """`index` with a record manager in SQLite, cleaning up what a file no longer says."""
    from langchain_classic.indexes import SQLRecordManager
    from langchain_core.documents import Document
    from langchain_core.indexing import index
    from langchain_core.vectorstores import VectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Nowhere(VectorStore):
        embedded = 0

        def add_documents(self, documents: list[Document], **_: Any) -> list[str]:
            for document in documents:
                embed(document.page_content)
            self.embedded += len(documents)
            return [""] * len(documents)

        def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
            return True

        def similarity_search(self, *_: Any, **__: Any) -> list[Document]:
            raise NotImplementedError

        @classmethod
        def from_texts(cls, *_: Any, **__: Any) -> "Nowhere":
            raise NotImplementedError

    records = SQLRecordManager("benchmark", db_url=f"sqlite:///{state / 'records.sqlite'}")
    records.create_schema()
    documents = [Document(text, metadata={"source": name}) for name, text in read(folder).items()]
    splitter = RecursiveCharacterTextSplitter(chunk_size=CHARACTERS, chunk_overlap=0)
    pieces = splitter.split_documents(documents)
    store = Nowhere()
    index(pieces, records, store, cleanup="incremental", source_id_key="source", batch_size=1_000, key_encoder="sha256")
    return Ran(store.embedded, lambda: len(records.list_keys()), lambda name: len(records.list_keys(group_ids=[name])))


def llamaindex(folder: Path, state: Path, embed: Callable[[str], Any]) -> Ran:
    """IngestionPipeline with upserts. Its cache of transformations is off: it costs time and repeats what upserts do."""
    from llama_index.core import Document
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import BaseNode
    from llama_index.core.storage.docstore import SimpleDocumentStore
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

    class Hashed(BaseEmbedding):
        embedded: int = 0

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            self.embedded += len(texts)
            return [embed(text).tolist() for text in texts]

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        _get_query_embedding = _get_text_embedding

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    class Nowhere(BasePydanticVectorStore):
        stores_text: bool = True
        added: dict[str, int] = {}

        @property
        def client(self) -> None:
            return None

        def add(self, nodes: list[BaseNode], **_: Any) -> list[str]:
            for node in nodes:
                self.added[node.ref_doc_id] = self.added.get(node.ref_doc_id, 0) + 1
            return [node.node_id for node in nodes]

        def delete(self, ref_doc_id: str, **_: Any) -> None:
            self.added.pop(ref_doc_id, None)

        def query(self, *_: Any, **__: Any) -> None:
            raise NotImplementedError

    kept = state / "docstore.json"
    documents = [Document(text=text, id_=name) for name, text in read(folder).items()]
    splitter = SentenceSplitter(chunk_size=CHARACTERS, chunk_overlap=0, tokenizer=list)
    hashed = Hashed(embed_batch_size=1_000)
    docstore = SimpleDocumentStore.from_persist_path(str(kept)) if kept.exists() else SimpleDocumentStore()
    pipeline = IngestionPipeline(
        transformations=[splitter, hashed],
        vector_store=Nowhere(),
        docstore=docstore,
        docstore_strategy=DocstoreStrategy.UPSERTS,
        disable_cache=True,
    )
    pipeline.run(documents=documents)
    docstore.persist(str(kept))

    def pieces(name: str) -> int:
        """A file that the docstore still knows was not taken out of the store: its pieces are still there."""
        known = docstore.docs.get(name)
        return len(splitter.get_nodes_from_documents([known])) if known else 0

    return Ran(hashed.embedded, lambda: sum(map(pieces, docstore.docs)), pieces)


def cocoindex(folder: Path, state: Path, embed: Callable[[str], Any]) -> Ran:
    """A component per file, remembered; the embedding of each piece remembered too; rows in SQLite."""
    os.environ.setdefault("COCOINDEX_DISABLE_USAGE_TRACKING", "1")
    import cocoindex as coco
    from cocoindex.connectors import localfs, sqlite
    from cocoindex.ops.text import RecursiveSplitter
    from cocoindex.resources.file import FileLike
    from cocoindex.resources.id import IdGenerator

    embedded = [0]
    splitter = RecursiveSplitter()
    place = _rows()
    columns = {name: sqlite.ColumnDef(kind) for name, kind in COLUMNS.items()}

    @coco.fn(memo=True)
    async def vector(text: str) -> bytes:
        embedded[0] += 1
        return embed(text).tobytes()

    @coco.fn(memo=True)
    async def one_file(file: FileLike, rows: sqlite.TableTarget) -> None:
        ids = IdGenerator()
        name = file.file_path.path.as_posix()
        for piece in splitter.split(await file.read_text(), chunk_size=CHARACTERS, chunk_overlap=0, language="markdown"):
            number = await ids.next_id(piece.text)
            rows.declare_row(row={"file": name, "number": number, "text": piece.text, "vector": await vector(piece.text)})

    @coco.fn
    async def everything(source: Path) -> None:
        schema = sqlite.TableSchema(columns, primary_key=["file", "number"])
        rows = await sqlite.mount_table_target(place, "pieces", schema)
        await coco.mount_each(one_file, localfs.walk_dir(source, recursive=True).items(), rows)

    with closing(sqlite.connect(state / "rows.sqlite", load_vec=False)) as connection:
        context = coco.ContextProvider()
        context.provide(place, connection)
        environment = coco.Environment(coco.Settings(db_path=state / "cocoindex"), context_provider=context)
        app = coco.App(coco.AppConfig(name="benchmark", environment=environment), everything, source=folder)
        app.update_blocking()
        environment.close()
        with connection.readonly() as opened:
            counts = dict(opened.execute("SELECT file, count(*) FROM pieces GROUP BY file").fetchall())
    return Ran(embedded[0], lambda: sum(counts.values()), lambda name: sum(n for f, n in counts.items() if f.endswith(name)))


@cache
def _rows():
    """The name of the database in CocoIndex; a process may say each name once."""
    import cocoindex as coco

    return coco.ContextKey("rows")


COLUMNS = {"file": "TEXT", "number": "INTEGER", "text": "TEXT", "vector": "BLOB"}
RUN = {"LangChain": langchain, "LlamaIndex": llamaindex, "CocoIndex": cocoindex}
