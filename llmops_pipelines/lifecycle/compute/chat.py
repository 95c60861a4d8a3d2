"""Questions to a language model behind an OpenAI-compatible service: many at once, patient, within a budget, never raising
for one question. What is asked, and what an answer is worth, belongs to the stages.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.lifecycle.lake import Refusal

from .budget import Budget, Pace

if TYPE_CHECKING:
    import httpx

CODE = "chat/1"
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}
OF_THE_QUESTION = {400, 413, 422}  # statuses that say something about this one question, not about the service
LONGEST_PAUSE = 60.0
LOST_IN_A_ROW = 20  # questions without an answer after which the service counts as gone, and the rest is not waited for
LONGEST_ANSWER = 4 * 2**20  # bytes of a response that are read at most
SHOWN = 200  # characters of what a service said that stand in a reason

Secrets = Callable[[str], str | None]


class ChatError(Refusal):
    """The service cannot be asked at all."""


@dataclass(frozen=True)
class Message:
    """One turn. Passages and other foreign text belong into a "user" message, delimited."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Reply:
    """An answer. `milliseconds` are those of the request that was answered, without waiting for a turn. Tokens and cost
    are None when the service does not count. `value` is the parsed JSON when a schema was given; nobody has compared it
    with the schema. `cut` when the answer ended at max_tokens. `model` and `system_fingerprint` are what the service says
    it is."""

    text: str
    tokens_in: int | None
    tokens_out: int | None
    milliseconds: float
    cost: float | None
    value: Any = None
    cut: bool = False
    model: str | None = None
    system_fingerprint: str | None = None


@dataclass(frozen=True)
class Failure:
    """No answer, and why in a few words; never with the key. `lasting` when the same question would fail again."""

    reason: str
    lasting: bool = False


Turns = Sequence[Message]


@dataclass
class Chat:
    """A service with the budget of one run: create one per run and share it. `pause` waits some seconds."""

    words: ChatEndpoint
    secrets: Secrets | None = field(default=None, repr=False)
    pause: Callable[[float], Awaitable[Any]] = field(default=asyncio.sleep, repr=False)
    lost: int = field(default=0, init=False)  # questions in a row that the service did not answer

    def __post_init__(self) -> None:
        self.budget = Budget(self.words)
        self.pace = Pace(self.words.requests_per_minute)

    def ask(self, prompts: Sequence[Turns], schema: Mapping[str, Any] | None = None) -> list[Reply | Failure]:
        """One Reply or Failure per prompt, in order. With a JSON Schema, answers that are no JSON are failures.

        Raises ChatError when the key is not set. Works inside a running event loop, too, and blocks it.
        """
        if not prompts:
            return []
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._all(prompts, schema))
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._all(prompts, schema)).result()

    def asking(self) -> "Asking":
        """For asynchronous callers: `async with chat.asking() as asking: reply = await asking.one(prompt)`."""
        return Asking(self)

    async def _all(self, prompts: Sequence[Turns], schema: Mapping[str, Any] | None) -> list[Reply | Failure]:
        async with self.asking() as asking:
            return await asyncio.gather(*(asking.one(prompt, schema) for prompt in prompts))

    def headers(self) -> dict[str, str]:
        name = self.words.key
        if name is None:
            return {}
        if not (key := self.secret()):
            raise ChatError(f"endpoint.key: {name} is not set; put the key of {self.words.place} there")
        return {"Authorization": f"Bearer {key}"}

    def secret(self) -> str | None:
        return self.secrets(self.words.key) if self.words.key and self.secrets else None


class Asking:
    """An open connection to the service, of one event loop."""

    def __init__(self, chat: Chat) -> None:
        self.chat, self.words = chat, chat.words
        self._turns = asyncio.Semaphore(chat.words.at_once)

    async def __aenter__(self) -> "Asking":
        import httpx

        limits = httpx.Limits(max_connections=self.words.at_once, max_keepalive_connections=self.words.at_once)
        headers = self.chat.headers()
        self._client = httpx.AsyncClient(timeout=self.words.seconds, headers=headers, limits=limits)
        url = httpx.URL(self.words.url)
        self._url = url.copy_with(path=f"{url.path.rstrip('/')}/chat/completions")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def one(self, prompt: Turns, schema: Mapping[str, Any] | None = None) -> Reply | Failure:
        """The answer to one prompt; at most `at_once` are under way, the others wait here."""
        async with self._turns:
            if self.chat.lost >= LOST_IN_A_ROW:
                return Failure(f"not asked: {self.words.place} did not answer {LOST_IN_A_ROW} questions in a row")
            return await self._attempts(prompt, schema)

    async def _attempts(self, prompt: Turns, schema: Mapping[str, Any] | None) -> Reply | Failure:
        problem, asked = "", ""
        for attempt in range(self.words.attempts):
            if attempt:
                await self.chat.pause(seconds_before(attempt, asked))
            if wait := self.chat.pace.wait():
                await self.chat.pause(wait)
            most = self.chat.budget.reserve(prompt)
            if most is None:
                return Failure(f"cost cap: not asked, since most_cost ({self.words.most_cost}) is used up")
            spent: float | None = None  # nobody knows, as after a timeout: counted as the most it can be
            try:
                began = time.perf_counter()
                status, headers, content = await asyncio.wait_for(self._post(prompt, schema), self.words.seconds)
                milliseconds = (time.perf_counter() - began) * 1000
                spent = self._cost(content) if status == 200 else 0.0
            except (TimeoutError, _httpx().RequestError) as error:
                problem, asked = _named(error), ""
                spent = None if "imeout" in problem else 0.0
                continue
            finally:
                self.chat.budget.settle(most, spent)
            if status in AGAIN:
                problem, asked = f"status {status}", headers.get("retry-after", "")
                continue
            self.chat.lost = self.chat.lost + 1 if status not in {200, *OF_THE_QUESTION} else 0
            return self._read(status, content, schema is not None, milliseconds)
        self.chat.lost += 1
        return Failure(f"no answer in {self.words.attempts} attempts ({problem})")

    async def _post(self, prompt: Turns, schema: Mapping[str, Any] | None) -> "tuple[int, httpx.Headers, bytes]":
        body: dict[str, Any] = {"model": self.words.model, "messages": [vars(message) for message in prompt]}
        body[self.words.limit_word] = self.words.max_tokens
        if self.words.temperature is not None:
            body["temperature"] = self.words.temperature
        if schema is not None and self.words.structured == "json_schema":
            form = {"name": "answer", "schema": dict(schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        elif schema is not None and self.words.structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        content = b""
        async with self._client.stream("POST", self._url, json=body) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > LONGEST_ANSWER:
                    break
        return response.status_code, response.headers, content

    def _read(self, status: int, content: bytes, structured: bool, milliseconds: float) -> Reply | Failure:
        if status != 200:
            said = " ".join(content.decode("utf-8", "replace").split())
            return Failure(self._clean(f"status {status}: {said}"), lasting=status in OF_THE_QUESTION)
        try:
            answer = json.loads(content)
            choice = answer["choices"][0]
            text, end = choice["message"]["content"], choice.get("finish_reason")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return Failure("malformed answer: not a chat completion")
        if not isinstance(text, str) or not text.strip():
            return Failure(self._clean(f"no text (finish_reason {end})"), lasting=True)
        value = None
        if structured:
            try:
                value = parsed(text)
            except (ValueError, RecursionError):
                cut = ", cut at max_tokens" if end == "length" else ""
                return Failure(f"malformed answer: the text is not JSON{cut}", lasting=True)
        read, written = _tokens(answer)
        cost = self.chat.budget.cost(read, written)
        names = {name: answer[name] for name in ("model", "system_fingerprint") if isinstance(answer.get(name), str)}
        return Reply(text, read, written, milliseconds, cost, value, end == "length", **names)

    def _cost(self, content: bytes) -> float | None:
        """An answer costs what its tokens cost, whether or not it can be used."""
        try:
            return self.chat.budget.cost(*_tokens(json.loads(content)))
        except (ValueError, RecursionError):
            return None

    def _clean(self, reason: str) -> str:
        key = self.chat.secret()
        return (reason.replace(key, "[key]") if key else reason)[:SHOWN]


def parsed(text: str) -> Any:
    """The JSON of an answer; a Markdown fence around it is taken off. Raises ValueError, also for NaN and Infinity."""
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```"):
        bare = bare.strip("`").removeprefix("json")

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads(bare, parse_constant=refuse)


def seconds_before(attempt: int, asked: str) -> float:
    """What the service asks for (seconds or a date), else twice as long each time, with chance so that clients spread."""
    try:
        wanted = float(asked) if asked.strip().isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
    except (ValueError, TypeError):
        return min(0.5 * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0)
    return min(max(wanted, 0.0), LONGEST_PAUSE)


def _tokens(answer: Any) -> tuple[int | None, int | None]:
    usage = answer.get("usage") if isinstance(answer, dict) else None
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    read, written = (n if type(n) is int and n >= 0 else None for n in counts)
    return read, written


def _named(error: BaseException) -> str:
    """The kind of error; its text may hold the address with a password."""
    return "timeout" if isinstance(error, TimeoutError) else type(error).__name__


def _httpx() -> Any:
    import httpx

    return httpx
