"""One collection on a Qdrant server: requests that are retried while that can help, and what its metadata says.

What a collection means (sequences, readers, writers) is in `server`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import IndexingError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import Filter

PAGE = 5_000  # points per scroll
PAUSES = (0.5, 2.0, 8.0)  # seconds before each further attempt


class Collection:
    """Requests to one collection: retried while that can help, and only 'completed' counts as done."""

    def __init__(self, client: "QdrantClient", name: str, pauses: Sequence[float] = PAUSES) -> None:
        self.client, self.name, self._pauses = client, name, pauses

    def ask(self, what: str, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        from grpc import RpcError
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        for pause in (*self._pauses, None):
            cause = None
            try:
                answer = call(*args, **named)
                status = getattr(answer, "status", None)
                if status is None or status.value not in ("acknowledged", "wait_timeout"):
                    return answer
                problem = f"the server answered '{status.value}'"
            except (ApiException, RpcError, OSError) as error:
                cause, problem = error, str(error)
                if isinstance(error, UnexpectedResponse) and error.status_code < 500 and error.status_code != 429:
                    pause = None
            if pause is None:
                raise IndexingError(
                    f"collection {self.name}, {what}: {problem}; published versions are untouched, run it again"
                ) from cause
            time.sleep(pause)
        raise AssertionError("unreachable")

    def state(self) -> "State":
        """What was written about the collection; empty when it does not exist."""
        if not self.ask("look", self.client.collection_exists, self.name):
            return State({}, {})
        metadata = dict(self.ask("look", self.client.get_collection, self.name).config.metadata or {})
        return State(metadata, dict(_sealed(line) for line in metadata.get("sealed", [])))

    def write_state(self, **changes: Any) -> None:
        """Merged into what is there. The list of sealed versions is one value, so that it changes at once."""
        if isinstance(sealed := changes.get("sealed"), dict):
            changes["sealed"] = [f"{number} {contents}" for number, contents in sorted(sealed.items())]
        self.ask("metadata", self.client.update_collection, self.name, metadata=changes)

    def scroll(self, where: "Filter", fields: list[str] | bool) -> Iterator[Any]:
        offset = None
        while True:
            records, offset = self.ask(
                "scroll", self.client.scroll, self.name, scroll_filter=where, limit=PAGE, offset=offset, with_payload=fields
            )
            yield from records
            if offset is None:
                return


@dataclass(frozen=True)
class State:
    """Metadata of a collection; `sealed` has the sequence numbers of complete versions and the digest of what each holds."""

    metadata: dict[str, Any]
    sealed: dict[int, str]

    def holds(self, sequence: int, contents: str) -> bool:
        """Whether a version is there, under the digest that it has, or that it had before something was erased from it."""
        now = self.sealed.get(sequence)
        return now is not None and (now == contents or f"{sequence} {contents} {now}" in self.metadata.get("rewritten", []))

    @property
    def newest(self) -> int:
        return max(self.sealed, default=0)


def _sealed(line: str) -> tuple[int, str]:
    number, contents = line.split(" ")
    return int(number), contents
