"""What the last look at a source saw: the stamp of each file and the sha256 of its bytes, so that unchanged files stay closed.

Nothing depends on it: without it, everything is read and hashed once more.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import files
from .sources import Known

if TYPE_CHECKING:
    from ..lake import Lake
    from .sources import Found


@dataclass(frozen=True)
class LastLook:
    """`identity` is that of all names and stamps, `fingerprint` the version that they made, `state` the place's own memory."""

    path: Path
    identity: str = ""
    fingerprint: str = ""
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, lake: "Lake", asset: str) -> "LastLook":
        path = lake.desk(asset, "look.json")
        try:
            return cls(path, **json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return cls(path)

    def known(self, uri: str) -> Known | None:
        return self._known.get(uri)

    @cached_property
    def _known(self) -> dict[str, Known]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.identity and not self.fingerprint:
            return {}
        try:
            with pq.ParquetFile(self._stamps, page_checksum_verification=True) as file:
                seen = file.read(["uri", "stamp", "blob"]).to_pydict()
        except (OSError, pa.ArrowInvalid):
            return {}
        return {row[0]: Known(*row[1:]) for row in zip(seen["uri"], seen["stamp"], seen["blob"], strict=True)}

    def replace(
        self, identity: str, fingerprint: str, found: "Sequence[Found]", blobs: list[str], state: dict[str, Any]
    ) -> None:
        """Remember this look instead. A file that may still be changing is not remembered."""
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [(file.uri, file.stamp, blob) for file, blob in zip(found, blobs, strict=True) if blob and file.settled]
        table = pa.table({name: [row[at] for row in rows] for at, name in enumerate(("uri", "stamp", "blob"))})
        written = io.BytesIO()
        pq.write_table(table, written, compression="zstd", write_page_checksum=True)
        files.replace(self._stamps, written.getvalue())
        files.replace(self.path, files.to_json({"identity": identity, "fingerprint": fingerprint, "state": state}))

    def forget(self) -> None:
        """Have everything read again."""
        self.path.unlink(missing_ok=True)

    @property
    def _stamps(self) -> Path:
        return self.path.with_name("look.parquet")
