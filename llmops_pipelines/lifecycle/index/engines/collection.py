"""One collection on a Qdrant server: requests that are retried while that can help, and what its metadata says.

What a collection means (sequences, readers, writers) is in `server`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
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

    def metadata(self) -> dict[str, Any]:
        """What was written about the collection; {} when it does not exist."""
        if not self.ask("look", self.client.collection_exists, self.name):
            return {}
        return dict(self.ask("look", self.client.get_collection, self.name).config.metadata or {})

    def scroll(self, where: "Filter", fields: list[str]) -> Iterator[Any]:
        offset = None
        while True:
            records, offset = self.ask(
                "scroll", self.client.scroll, self.name, scroll_filter=where, limit=PAGE, offset=offset, with_payload=fields
            )
            yield from records
            if offset is None:
                return


def sealed(metadata: dict[str, Any]) -> dict[int, str]:
    """Sequence numbers of complete versions, with the digest of what each holds."""
    return {int(key.removeprefix("sequence_")): value for key, value in metadata.items() if key.startswith("sequence_")}
