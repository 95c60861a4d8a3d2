"""Which document a person means: its id, or the end of it that only one document has."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Refusal, Version

from .tables import column_of, rows_where

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.release.history import Release

SHOWN = 5
ALIKE = 70  # of 100


class UnknownDocument(Refusal):
    """No document has this name, or more than one."""


def named(documents: Sequence[Version], release: "Release", wanted: str) -> str:
    """The doc_id that `wanted` is, or the one that ends with it if only one does: in the release or, failing that, in another
    version of `documents`. Raises `UnknownDocument`."""
    own = release.parts.get("documents", {}).get("digest")
    ordered = sorted(documents, key=lambda version: version.digest != own)
    if not ordered:
        raise UnknownDocument(
            f"{release.pipeline} has no version of documents left, so nothing can be said of {wanted!r}; restore one from a "
            "backup"
        )
    if any(rows_where(version, "doc_id", [wanted], ("doc_id",), _table(version)) for version in ordered):
        return wanted
    for version in ordered:
        if ends := _whole(_ending(version, wanted), wanted):
            return _only(ends, wanted)
    raise UnknownDocument(
        f"--document: no document of {release.pipeline} is called {wanted!r}, now or in a version that is left"
        f"{_meant(ordered[0], wanted)}"
    )


def _only(ends: list[str], wanted: str) -> str:
    if len(ends) == 1:
        return ends[0]
    more = f" and {len(ends) - SHOWN} more" if len(ends) > SHOWN else ""
    raise UnknownDocument(
        f"--document: {wanted!r} is the end of {len(ends)} documents: {', '.join(ends[:SHOWN])}{more}; write more of it"
    )


def _table(version: Version) -> str:
    """The table with all names: documents and what was left out have a line in the ledger."""
    return "ledger" if version.has("ledger.parquet") else ""


def _ending(version: Version, wanted: str) -> list[str]:
    import pyarrow.compute as pc

    ids = column_of(version, "doc_id", _table(version))
    return sorted(ids.filter(pc.ends_with(ids, wanted)).to_pylist())


def _whole(ends: list[str], wanted: str) -> list[str]:
    """Where some of the names end so from a slash or a '#' on, only those."""
    return [name for name in ends if name[: -len(wanted)].endswith(("/", "#"))] or ends


def _meant(version: Version, wanted: str) -> str:
    """Names whose last parts, as many as were written, are much like what was written."""
    from rapidfuzz import fuzz, process

    known = column_of(version, "doc_id", _table(version)).to_pylist()
    parts = wanted.count("/") + 1
    tails = ["/".join(name.rsplit("/", parts)[-parts:]) for name in known]
    near = process.extract(wanted, tails, scorer=fuzz.ratio, limit=3, score_cutoff=ALIKE)
    return f"; did you mean {' or '.join(known[place] for _, _, place in near)}?" if near else "; see them all with --documents"
