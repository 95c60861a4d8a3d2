"""The distinct text hashes of a version of chunks, sorted, in memory at 32 bytes each: half of what they take as text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Version

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BYTES = 32  # of a sha256
AT_ONCE = 65_536  # as text
MERGED_AT = 2_000_000  # hashes that are collected before repeated ones are taken out


@dataclass(frozen=True)
class TextHashes:
    """`packed` holds their bytes, numpy type S32: sorted, without repetition."""

    packed: "np.ndarray"

    @classmethod
    def of(cls, chunks: Version) -> "TextHashes":
        import numpy as np

        known, new, count = np.zeros(0, f"S{BYTES}"), [], 0
        for batch in chunks.batches("chunks", ["text_hash"], rows=AT_ONCE):
            new.append(np.frombuffer(bytes.fromhex("".join(batch.column(0).to_pylist())), f"S{BYTES}"))
            count += batch.num_rows
            if count > MERGED_AT:
                known, new, count = np.unique(np.concatenate([known, *new])), [], 0
        return cls(np.unique(np.concatenate([known, *new])))

    def __len__(self) -> int:
        return len(self.packed)

    def portions(self) -> Iterator[list[str]]:
        """As 64 hex digits, in order."""
        for at in range(0, len(self.packed), AT_ONCE):
            digits = self.packed[at : at + AT_ONCE].tobytes().hex()  # tobytes keeps the zeros that S drops at the end
            yield [digits[start : start + 2 * BYTES] for start in range(0, len(digits), 2 * BYTES)]

    @staticmethod
    def schema() -> "pa.Schema":
        import pyarrow as pa

        return pa.schema([("text_hash", pa.string())])

    @classmethod
    def table(cls, hashes: list[str]) -> "pa.Table":
        import pyarrow as pa

        return pa.table({"text_hash": hashes}, schema=cls.schema())
