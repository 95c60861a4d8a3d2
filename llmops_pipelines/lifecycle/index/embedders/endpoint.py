"""Vectors from a service that speaks OpenAI's protocol: batches, retries, order and size checked. The key is never shown."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmops_pipelines.config.pipeline import Endpoint
from llmops_pipelines.lifecycle.lake.digests import digest

from ..errors import IndexingError

if TYPE_CHECKING:
    import httpx
    import numpy as np

Secrets = Callable[[str], str | None]

CODE = "endpoint-1"
TEXTS_AT_ONCE = 64
CHARACTERS_AT_ONCE = 64_000  # some 16,000 tokens; services take 8,000 per text and more per request
REQUESTS_AT_ONCE = 4
ATTEMPTS = 6
LONGEST_PAUSE = 60.0
SECONDS = 60.0  # for one answer
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}
TOO_LARGE = {413, 422}  # some services take 32 texts at once, and say so in one of these ways


def place(endpoint: Endpoint) -> str:
    """Host and path: what may be shown and what counts. An address may carry a password or a key besides."""
    parts = urlsplit(endpoint.url)
    return f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"


def fingerprint(endpoint: Endpoint) -> str:
    """Identity of the vectors, as far as anyone outside can know; the probes of the stage notice the rest."""
    return digest({"code": CODE, "at": place(endpoint), "model": endpoint.model, "dimension": endpoint.dimension})


@dataclass(frozen=True)
class EndpointEncoder:
    """Texts to unit vectors. `pause` waits some seconds between attempts."""

    endpoint: Endpoint
    secrets: Secrets | None = field(repr=False)
    pause: Callable[[float], None] = time.sleep

    def __call__(self, texts: Sequence[str]) -> "np.ndarray":
        """float32 [n, d] in the order of `texts`; unit length wherever that is possible.

        Raises IndexingError when the service cannot be reached, refuses, or answers with something else than vectors.
        """
        from concurrent.futures import ThreadPoolExecutor

        import httpx
        import numpy as np

        headers = self._headers()
        with (
            httpx.Client(timeout=SECONDS, headers=headers) as client,
            ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads,
        ):
            answers = [threads.submit(self._ask, client, portion) for portion in portions(texts)]
            try:
                found = np.concatenate([answer.result() for answer in answers])
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            lengths = np.linalg.norm(found, axis=1, keepdims=True)
            return np.where(lengths > 0, found / lengths, found).astype(np.float32)

    def _headers(self) -> dict[str, str]:
        name = self.endpoint.key
        if name is None:
            return {}
        if not (key := self.secrets(name) if self.secrets else None):
            raise IndexingError(f"embeddings.endpoint.key: {name} is not set; put the key of {place(self.endpoint)} there")
        return {"Authorization": f"Bearer {key}"}

    def _ask(self, client: "httpx.Client", texts: list[str]) -> "np.ndarray":
        """float64 [n, d], as they came. A portion that is too large for the service is asked for in halves."""
        import httpx
        import numpy as np

        url = httpx.URL(self.endpoint.url)
        url = url.copy_with(path=f"{url.path.rstrip('/')}/embeddings")
        body = {"model": self.endpoint.model, "input": texts, "encoding_format": "float"}
        problem, asked = "", ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(_seconds(attempt, asked))
            try:
                response = client.post(url, json=body)
            except httpx.TransportError as error:
                problem, asked = type(error).__name__, ""
                continue
            if response.status_code in TOO_LARGE and len(texts) > 1:
                middle = len(texts) // 2
                return np.concatenate([self._ask(client, texts[:middle]), self._ask(client, texts[middle:])])
            if response.status_code not in AGAIN:
                return self._vectors(response, len(texts))
            problem, asked = f"status {response.status_code}", response.headers.get("retry-after", "")
        raise self._error(f"gave no answer in {ATTEMPTS} attempts ({problem})", "try again later; what was embedded is kept")

    def _vectors(self, response: "httpx.Response", count: int) -> "np.ndarray":
        import numpy as np

        if response.status_code != 200:
            raise self._error(f"refused with status {response.status_code}", "check url, model and key", response)
        try:
            rows = sorted(response.json()["data"], key=lambda row: row["index"])
            numbers = [row["index"] for row in rows]
            vectors: list[Any] = [row["embedding"] for row in rows]
            sizes = {len(vector) for vector in vectors}
        except (ValueError, KeyError, TypeError) as error:
            raise self._error("answered with something else than embeddings", "check the address", response) from error
        if numbers != list(range(count)):
            raise self._error(f"answered with {len(rows)} vectors, not one for each of {count} texts", "check the service")
        if sizes != {self.endpoint.dimension}:
            raise self._error(
                f"makes vectors of {', '.join(map(str, sorted(sizes)))} components, not {self.endpoint.dimension}",
                "set embeddings.endpoint.dimension to what it makes",
            )
        try:
            return np.array(vectors, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise self._error("answered with vectors that hold something else than numbers", "check the service") from error

    def _error(self, what: str, way_out: str, response: "httpx.Response | None" = None) -> IndexingError:
        """With the beginning of what the service said, where that helps, and the key taken out of it."""
        said = " ".join(response.text.split())[:200] if response is not None else ""
        if said and self.endpoint.key and self.secrets and (key := self.secrets(self.endpoint.key)):
            said = said.replace(key, "[key]")
        where = f"embeddings.endpoint: {place(self.endpoint)}, model {self.endpoint.model},"
        return IndexingError(f"{where} {what}{f': {said}' if said else ''}; {way_out}")


def portions(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts of one request each: neither too many nor too long together."""
    portion: list[str] = []
    characters = 0
    for text in texts:
        if portion and (len(portion) == TEXTS_AT_ONCE or characters + len(text) > CHARACTERS_AT_ONCE):
            yield portion
            portion, characters = [], 0
        portion.append(text)
        characters += len(text)
    if portion:
        yield portion


def _seconds(attempt: int, asked: str) -> float:
    """What the service asks for, else twice as long each time, with some chance so that clients do not come in step."""
    if asked.isdigit():
        return min(float(asked), LONGEST_PAUSE)
    return min(0.5 * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0)
