"""What the releases of a week share, in the large lake of `oncall_lake.py`: the versions from source bytes to index."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from oncall_corpus import CHUNKER, EMBEDDER, NAME, SOURCES, Held, doc_id_of, is_broken, is_copy, source_of, uri_of

from llmops_pipelines.lifecycle.corpus import discovery, documents, ledger, parsing
from llmops_pipelines.lifecycle.datasets import questions
from llmops_pipelines.lifecycle.index import embedding, indexing
from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, packed_digests, packed_ids
from llmops_pipelines.lifecycle.index.passages import CODE as CUT
from llmops_pipelines.lifecycle.index.search import tuning
from llmops_pipelines.lifecycle.index.text_hashes import TextHashes
from llmops_pipelines.lifecycle.lake import Draft, Version, digest
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.monitoring import profile

if TYPE_CHECKING:
    from oncall_lake import Maker

DIMENSION = 384
TUNED = {"bm25_unit": 23.31, "candidates": 100, "dense_weight": 0.5, "method": "hybrid", "normalisation": "linear", "rrf_k": 60}
Parents = list[Version]


@dataclass(frozen=True)
class Week:
    """The versions that the releases of a week share: documents to index, and the questions."""

    maker: "Maker"
    week: int

    @property
    def held(self) -> Held:
        return self.maker.held.at(self.week)

    def parts(self) -> dict[str, Version]:
        parsed = [self._parsed(name, self._raw(name)) for name in SOURCES]
        gathered = self._documents(parsed)
        chunks = self._chunks(gathered)
        embeddings = self._embeddings(chunks)
        index = self._index(chunks, embeddings)
        made = [gathered, chunks, index, self._retrieval_settings(index)]
        made += [self._profile(gathered, embeddings), self._questions(gathered)]
        return {each.asset: each for each in made}

    def _said(self, **more: Any) -> dict[str, Any]:
        """Stands in a configuration for what the stage would have read from the outside."""
        return {"made": [vars(self.maker.scale), self.week], **more}

    def _raw(self, source: str) -> Version:
        consent = "search" if source == "wiki" else "search_and_training"
        said = {"name": source, "columns": None, "access": ["staff"] if source == "tickets" else [], "consent": consent}
        said |= {"licence": SOURCES[source], "language": None, "trust": "trusted"}

        def write(draft: Draft) -> None:
            live = self._of(source)
            numbers = live.column("number").to_numpy()
            gone = self._gone(source)
            columns = {
                "uri": live.column("uri").to_pylist() + [uri_of(number) for number in gone],
                "size": [each + 1 for each in live.column("characters").to_pylist()] + [1] * len(gone),
                "blob": live.column("blob").to_pylist() + [text_digest(f"removed {number}") for number in gone],
                "deleted": [False] * len(numbers) + [True] * len(gone),
            }
            columns |= {"suffix": [".md"] * len(columns["uri"]), "rows": [False] * len(columns["uri"])}
            draft.table(discovery.ASSET, pa.table(columns, _raw_schema()).sort_by("uri"))
            draft.json("source", said)
            draft.facts |= {"files": len(numbers), "deleted": len(gone), "unreadable": 0}
            draft.facts["snapshot"] = digest([columns["uri"], columns["blob"]])

        rows = digest(self._said(source=source))
        return self.maker.once(f"raw_documents/{source}", discovery.CODE, {"source": said, "rows": rows}, [], write)

    def _parsed(self, source: str, raw: Version) -> Version:
        def write(draft: Draft) -> None:
            mine = self._of(source)
            good = mine.filter(self._not(mine, is_broken))
            draft.table(parsing.ASSET, good.select(parsing.schema().names).cast(parsing.schema()))
            dropped = list(self._dropped(source))
            draft.table("dropped", ledger.table(dropped))
            uris = mine.column("uri").to_pylist() + [uri_of(number) for number in self._gone(source)]
            draft.table("files", pa.table({"uri": uris, "units": pa.array([1] * len(uris), pa.int64())}))
            broken = sum(each.outcome == ledger.QUARANTINED for each in dropped)
            draft.facts |= {"documents": good.num_rows, "dropped": len(dropped), "quarantined": broken}
            draft.facts["discovered"] = good.num_rows + len(dropped)

        config = {"parsers": {"markdown": "2"}, "cleaner": {}, "rules": [["en"], 20], "attempts": {}}
        return self.maker.once(f"{parsing.ASSET}/{source}", parsing.CODE, config, [raw], write)

    def _documents(self, parsed: Parents) -> Version:
        def write(draft: Draft) -> None:
            table = self.held.documents.filter(self._not(self.held.documents, lambda n: is_broken(n) or is_copy(n)))
            kept = table.select(parsing.schema("cluster").names).cast(parsing.schema("cluster"))
            dropped = [each for source in SOURCES for each in self._dropped(source)] + list(self._copies())
            out = ledger.table(dropped)
            columns = {"source": kept["source"], "doc_id": kept["doc_id"], "uri": kept["file"]}
            fixed = {"outcome": ledger.INDEXED, "reason": "", "detail": ""}
            indexed = pa.table(columns | {name: pa.array([said] * kept.num_rows) for name, said in fixed.items()}, out.schema)
            draft.table(documents.ASSET, kept)
            draft.table("ledger", pa.concat_tables([indexed, out]).sort_by([("source", "ascending"), ("doc_id", "ascending")]))
            draft.table("dropped", out.filter(pc.not_equal(out["outcome"], ledger.DELETED)), data=False)
            draft.table("quarantined", out.filter(pc.equal(out["outcome"], ledger.QUARANTINED)), data=False)
            draft.json("terms", {name: _counted(kept, name) for name in documents.TERMS})
            counted = {name: pc.sum(pc.equal(out["outcome"], name)).as_py() or 0 for name in ledger.OUTCOMES}
            draft.facts |= counted | {"discovered": kept.num_rows + out.num_rows, "indexed": kept.num_rows}
            draft.facts |= {"sources": len(SOURCES), "characters": pc.sum(kept["characters"]).as_py()}
            draft.facts["snapshot"] = digest({each.asset.split("/")[1]: each.digest for each in parsed})

        return self.maker.once(documents.ASSET, documents.CODE, {"similarity": 0.8, "profile": {}}, parsed, write)

    def _chunks(self, gathered: Version) -> Version:
        def write(draft: Draft) -> None:
            table = self.held.chunks.drop_columns("number")
            with draft.writer("chunks", table.schema) as add:
                add(table)
            draft.json("chunker", {"fingerprint": CHUNKER, "by": "structure", "overlap": 0, "tokens": 96})
            draft.facts |= {"chunks": table.num_rows, "documents": pc.count_distinct(table["doc_id"]).as_py()}

        return self.maker.once("chunks", CUT, {"chunker": CHUNKER}, [gathered], write)

    def _embeddings(self, chunks: Version) -> Version:
        def write(draft: Draft) -> None:
            hashes = TextHashes.of(chunks)
            with draft.writer("embeddings", hashes.schema()) as add:
                for portion in hashes.portions():
                    add(hashes.table(portion))
            draft.json("embedder", {"fingerprint": EMBEDDER, "dimension": DIMENSION, "model": "none", "weights": "0" * 64})
            draft.facts |= {"texts": len(hashes), "dimension": DIMENSION}

        return self.maker.once("embeddings", embedding.CODE, {"embedder": EMBEDDER}, [chunks], write)

    def _index(self, chunks: Version, embeddings: Version) -> Version:
        plan = indexing.Plan(NAME, "edge", EMBEDDER, CHUNKER, DIMENSION, "none")

        def write(draft: Draft) -> None:
            parts = chunks.batches(columns=["chunk_id", "digest"], rows=65_536)
            packed = ((packed_ids(each["chunk_id"].to_pylist()), packed_digests(each["digest"].to_pylist())) for each in parts)
            holdings = Holdings.of(packed, plan.place)
            content = {"count": len(holdings), "ids_digest": holdings.ids_digest, "contents_digest": holdings.contents_digest}
            content |= plan.identity
            draft.json("content", content)
            draft.table("holdings", holdings.table(), data=False)
            where = {"engine": plan.engine, "collection": plan.collection, "sequence": self.week, "dimension": DIMENSION}
            draft.json("index", content | where | {"languages": {"en": len(holdings)}, "quantization": "none"}, data=False)
            draft.facts |= {"points": len(holdings), "engine": plan.engine, "collection": plan.collection}

        config = {"engine": plan.engine, "collection": plan.collection}
        return self.maker.once("index", indexing.CODE, config, [chunks, embeddings], write)

    def _retrieval_settings(self, index: Version) -> Version:
        def write(draft: Draft) -> None:
            draft.json("retrieval_settings", {"expand": "none", "fusion": TUNED, "reranker": None})
            scored = {"hit_at_1": 0.85, "hit_at_5": 0.93, "mrr_at_10": 0.89, "standard_error": 0.01, "chosen": True}
            draft.table("retrieval_settings", pa.Table.from_pylist([TUNED | scored]))
            draft.facts |= {"method": "hybrid", "questions": 0}

        words = self.maker.pipeline.retrieval.model_dump(mode="json")
        return self.maker.once("retrieval_settings", tuning.CODE, {"retrieval": words, "questions": []}, [index], write)

    def _profile(self, gathered: Version, embeddings: Version) -> Version:
        def write(draft: Draft) -> None:
            table = gathered.table(columns=profile.COLUMNS).select(profile.COLUMNS)
            characters = pc.sum(table["characters"]).as_py()
            said = {"documents": table.num_rows, "characters": characters, "words": {"form": table.num_rows}}
            draft.table(profile.ASSET, table)
            draft.json("profile", said | {"mean_vector": [0.0] * DIMENSION, "embedder": EMBEDDER})
            draft.facts |= {"documents": table.num_rows, "characters": characters}

        return self.maker.once(profile.ASSET, profile.CODE, {}, [gathered, embeddings], write)

    def _questions(self, gathered: Version) -> Version:
        def write(draft: Draft) -> None:
            alive = set(self.maker.words.weeks.alive(self.week).tolist())
            rows = [row for number, row in self.maker.questions.rows if number in alive]
            draft.table("eval_questions", pa.Table.from_pylist(rows, _question_schema()))
            draft.facts |= {"questions": len(rows), "answerable": sum(row["answerable"] for row in rows)}

        config = {"held_out": 0.5, "rows": [row for _, row in self.maker.questions.rows]}
        return self.maker.once("eval_questions", questions.CODE, config, [gathered], write)

    def _of(self, source: str) -> pa.Table:
        return self.held.documents.filter(pc.equal(self.held.documents["source"], source))

    def _gone(self, source: str) -> list[int]:
        return [each for each in self.maker.words.weeks.removed(self.week).tolist() if source_of(each) == source]

    def _not(self, table: pa.Table, unwanted: Callable[[int], bool]) -> pa.Array:
        return pa.array([not unwanted(number) for number in table.column("number").to_pylist()])

    def _dropped(self, source: str) -> Iterator[ledger.Entry]:
        broken = (number for number in self._of(source).column("number").to_pylist() if is_broken(number))
        why = (ledger.QUARANTINED, "parser_failed", "the file ends within a table")
        yield from (ledger.Entry(source, doc_id_of(number), uri_of(number), *why) for number in broken)
        for number in self._gone(source):
            yield ledger.Entry(source, doc_id_of(number), uri_of(number), ledger.DELETED, "no_longer_in_the_source")

    def _copies(self) -> Iterator[ledger.Entry]:
        for number in self.held.documents.column("number").to_pylist():
            if is_copy(number) and not is_broken(number):
                kept = doc_id_of(number - 1)
                why = (ledger.SKIPPED, "near_duplicate", kept)
                yield ledger.Entry(source_of(number), doc_id_of(number), uri_of(number), *why)


def _raw_schema() -> pa.Schema:
    return discovery._table([]).schema


def _question_schema() -> pa.Schema:
    names = pa.list_(pa.string())
    kinds = [("id", pa.string()), ("question", pa.string()), ("answers", names), ("documents", names)]
    kinds += [("answerable", pa.bool_()), ("cluster", pa.string())]
    return pa.schema([*kinds, *((name, pa.string()) for name in questions.SAID)])


def _counted(table: pa.Table, column: str) -> dict[str, int]:
    counts = table[column].value_counts()
    return dict(sorted((each["values"], each["counts"]) for each in counts.to_pylist()))
