"""What two corpora differ in, and corpora that stand between them: some documents as in the one, the rest as in the other."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest

Kind = Literal["added", "edited", "removed"]
SEEN = ["doc_id", "content_hash", "title", "format"]  # what chunks are cut from


@dataclass(frozen=True)
class Change:
    """A document that is not the same on both sides; a side that does not have it has no content hash."""

    doc_id: str
    kind: Kind
    before: str | None
    after: str | None


def changed(good: Version, bad: Version) -> dict[str, Change]:
    """By document, from the good corpus to the bad one."""
    before, after = ({row["doc_id"]: row for row in side.table(columns=SEEN).to_pylist()} for side in (good, bad))
    found = {}
    for name in sorted({*before, *after}):
        a, b = before.get(name), after.get(name)
        if a != b:
            kind: Kind = "added" if a is None else "removed" if b is None else "edited"
            found[name] = Change(name, kind, a and a["content_hash"], b and b["content_hash"])
    return found


def counted(changes: Mapping[str, Change], documents: int) -> str:
    """ "5 edited, 1 removed; 199 documents"."""
    counts = Counter(change.kind for change in changes.values())
    kinds: tuple[Kind, ...] = ("added", "edited", "removed")
    return f"{', '.join(f'{counts[kind]} {kind}' for kind in kinds if counts[kind])}; {documents} documents now"


def between(trials: Lake, good: Version, bad: Version, undone: Collection[str]) -> Version:
    """The bad corpus with some documents as they were in the good one: gone, back, or with their old text. Asset documents
    of the trial lake."""
    config = {"good": good.digest, "bad": bad.digest, "undone": digest(sorted(undone))}

    def write(draft: Draft) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        a, b = good.table(), bad.table()
        chosen = pa.array(sorted(undone), pa.string())
        old = a.filter(pc.is_in(a["doc_id"], chosen))
        kept = b.filter(pc.invert(pc.is_in(b["doc_id"], chosen)))
        draft.table("documents", pa.concat_tables([kept, old.select(kept.column_names).cast(kept.schema)]).sort_by("doc_id"))

    return trials.once("documents", code="between/1", config=config, parents=[], write=write)
