"""What a version holds, in 24 bytes per chunk. Differences and digests come from sorted arrays, not from dictionaries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from ..errors import IndexingError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Holdings:
    """Ascending chunk ids (16 bytes each) and the digest of the point of each (8 bytes)."""

    ids: "np.ndarray"  # S16; NumPy compares it as unsigned bytes, and shows it without trailing zeros: never print it
    digests: "np.ndarray"  # uint64

    @classmethod
    def of(cls, parts: "Iterable[tuple[np.ndarray, np.ndarray]]", place: str) -> "Holdings":
        """From pairs of `packed_ids` and `packed_digests` in any order. Raises IndexingError for an id that is there twice."""
        import numpy as np

        made = list(parts)
        ids = np.concatenate([np.zeros(0, "S16"), *(ids for ids, _ in made)])
        digests = np.concatenate([np.zeros(0, np.uint64), *(digests for _, digests in made)])
        order = np.argsort(ids, kind="stable")
        ids, digests = ids[order], digests[order]
        if twice := np.flatnonzero(ids[1:] == ids[:-1]).tolist():
            raise IndexingError(
                f"{place}: chunk {names(ids[twice[:1]])[0]} is there twice; nothing was published, cut the documents again"
            )
        return cls(ids, digests)

    @classmethod
    def of_table(cls, table: "pa.Table") -> "Holdings":
        """From what `table` made."""
        import numpy as np

        ids = table.column("id").combine_chunks()
        packed = np.frombuffer(ids.buffers()[1], dtype="S16")[ids.offset : ids.offset + len(ids)]
        return cls(packed, table.column("digest").to_numpy())

    def table(self) -> "pa.Table":
        import pyarrow as pa

        ids = pa.Array.from_buffers(pa.binary(16), len(self.ids), [None, pa.py_buffer(self.ids.tobytes())])
        return pa.table({"id": ids, "digest": self.digests})

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        import numpy as np

        return (
            isinstance(other, Holdings) and np.array_equal(self.ids, other.ids) and np.array_equal(self.digests, other.digests)
        )

    @cached_property
    def ids_digest(self) -> str:
        """sha256 of the chunk ids: which chunks these are."""
        return sha256(self.ids.tobytes()).hexdigest()

    @cached_property
    def contents_digest(self) -> str:
        """sha256 of ids and digests: what a version holds, whoever wrote it and in whatever order."""
        return sha256(self.ids.tobytes() + self.digests.astype(">u8").tobytes()).hexdigest()

    def sample(self, count: int) -> "np.ndarray":
        """At most so many packed ids: chance, the same for the same holdings, and others for other ones."""
        import numpy as np

        return self.ids[np.argsort(self.digests ^ self.salt, kind="stable")[:count]]

    @cached_property
    def salt(self) -> "np.uint64":
        """A number that follows from the contents."""
        import numpy as np

        return np.uint64(int(self.contents_digest[:16], 16))

    def find(self, ids: "np.ndarray") -> "np.ndarray":
        """int64 [n]: the place of each id here, -1 where there is none."""
        import numpy as np

        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, at, -1)

    def differing(self, other: "Holdings") -> list[str]:
        """Chunk ids that are only in one of the two, or of which they say different things. Ascending."""
        import numpy as np

        here = self.find(other.ids)
        same = here >= 0
        same[same] = self.digests[here[same]] == other.digests[same]
        mine = np.ones(len(self), dtype=bool)
        mine[here[same]] = False
        return names(np.union1d(self.ids[mine], other.ids[~same]))


def packed_ids(chunk_ids: Sequence[str]) -> "np.ndarray":
    """S16 [n] of chunk ids, which are UUIDs."""
    import numpy as np

    return np.frombuffer(bytes.fromhex("".join(chunk_ids).replace("-", "")), dtype="S16")


def packed_digests(digests: Sequence[str]) -> "np.ndarray":
    """uint64 [n] of digests, 16 hex digits each."""
    import numpy as np

    return np.frombuffer(bytes.fromhex("".join(digests)), dtype=">u8").astype(np.uint64)


def names(ids: "np.ndarray") -> list[str]:
    """Chunk ids as they are written: packed ids back to UUIDs."""
    written = ids.tobytes().hex()
    parts = (written[at : at + 32] for at in range(0, len(written), 32))
    return [f"{p[:8]}-{p[8:12]}-{p[12:16]}-{p[16:20]}-{p[20:]}" for p in parts]
