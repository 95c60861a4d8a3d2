"""The models that answer: on local disk, behind an endpoint, and either of them with a memory, so that nothing is asked twice.

What they are asked is decided by the steps (`steps.py`); loading weights is `generation.py`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.lifecycle.compute.chat import Chat, Failure, Message
from llmops_pipelines.lifecycle.datasets.prompts import Prompt
from llmops_pipelines.lifecycle.lake import Lake, digest

from .candidates import Parts, Spec, weights_of
from .generation import Generator, usually_bf16

CODE = "models/1"
SAVE_EVERY = 64  # answers between two writes to the store: what a crash can cost


@dataclass(frozen=True)
class Request:
    """A prompt with what goes into it."""

    prompt: Prompt
    passages: tuple[str, ...]
    question: str
    answer: str = ""

    @property
    def text(self) -> str:
        return self.prompt.render(list(self.passages), self.question, self.answer)

    @property
    def messages(self) -> list[Message]:
        return self.prompt.messages(list(self.passages), self.question, self.answer)

    @property
    def reasons(self) -> bool:
        """Whether the model may write more than one line before it answers."""
        return self.prompt.words.chain_of_thought

    @cached_property
    def digest(self) -> str:
        """Of what a model reads, as a text or as messages."""
        return digest([self.text, [vars(message) for message in self.messages], self.reasons])


@dataclass(frozen=True)
class Said:
    """What a model wrote: exactly one of `text` and `error` is set. What nobody measured is None."""

    text: str | None
    error: str | None
    tokens_in: int | None
    tokens_out: int | None
    milliseconds: float | None
    cost: float | None


class Speaks(Protocol):
    """Whatever turns prompts into text, in order, one for each; it does not raise for one of them."""

    def say(self, requests: Sequence[Request]) -> list[Said]: ...


@dataclass(frozen=True)
class LocalModel:
    """A model on local disk, loaded by the first prompt. Nobody is paid for it: its cost is 0."""

    load: Callable[[], Generator]
    max_new_tokens: int

    @cached_property
    def generator(self) -> Generator:
        return self.load()

    def say(self, requests: Sequence[Request]) -> list[Said]:
        made: dict[int, Said] = {}
        for reasons in (False, True):
            places = [place for place, request in enumerate(requests) if request.reasons == reasons]
            texts = [requests[place].text for place in places]
            found = self.generator.generate(texts, self.max_new_tokens, one_line=not reasons) if texts else []
            for place, each in zip(places, found, strict=True):
                made[place] = Said(each.text, None, each.tokens_in, each.tokens, each.milliseconds, 0.0)
        return [made[place] for place in range(len(requests))]


@dataclass(frozen=True)
class RemoteModel:
    """A model behind an endpoint, with one budget for as long as this object lives."""

    words: ChatEndpoint
    secrets: Callable[[str], str | None] | None = field(default=None, repr=False)

    @cached_property
    def chat(self) -> Chat:
        return Chat(self.words, self.secrets)

    def say(self, requests: Sequence[Request]) -> list[Said]:
        """Raises `ChatError` when the key is not set."""
        found = self.chat.ask([request.messages for request in requests])
        return [
            Said(None, each.reason, None, None, None, None)
            if isinstance(each, Failure)
            else Said(each.text, None, each.tokens_in, each.tokens_out, each.milliseconds, each.cost)
            for each in found
        ]


@dataclass
class Kept:
    """A model with a memory in the lake: a prompt with a stored answer does not reach it. Failures are not kept."""

    model: Speaks
    lake: Lake
    identity: str
    made: int = 0
    reused: int = 0

    def say(self, requests: Sequence[Request]) -> list[Said]:
        store = self.lake.store("answers", self.identity, "prompt_digest")
        wanted = {request.digest: request for request in requests}
        missing, failed = store.missing(wanted), {}
        for first in range(0, len(missing), SAVE_EVERY):
            keys = missing[first : first + SAVE_EVERY]
            said = dict(zip(keys, self.model.say([wanted[key] for key in keys]), strict=True))
            failed |= {key: each for key, each in said.items() if each.error is not None}
            store.append(_stored({key: each for key, each in said.items() if each.error is None}))
        self.made += len(missing) - len(failed)
        self.reused += len(wanted) - len(missing)
        rows = store.take([key for key in wanted if key not in failed]).to_pylist()
        known = {row.pop("prompt_digest"): Said(error=None, **row) for row in rows} | failed
        return [known[request.digest] for request in requests]


@dataclass
class OneByOne:
    """A local model's answers with the time that each takes when it is asked alone. Measured once, then remembered."""

    kept: Kept
    warm: bool = False

    def say(self, requests: Sequence[Request]) -> list[Said]:
        return [self._alone(request) for request in requests]

    def _alone(self, request: Request) -> Said:
        import pyarrow as pa

        (said,) = self.kept.say([request])
        store = self.kept.lake.store("latency", self.kept.identity, "prompt_digest")
        if store.missing([request.digest]):
            if not self.warm:
                self.kept.model.say([request])  # the first run of a model allocates and compiles
                self.warm = True
            began = time.perf_counter()
            self.kept.model.say([request])
            milliseconds = (time.perf_counter() - began) * 1000
            store.append(pa.table({"prompt_digest": [request.digest], "milliseconds": [milliseconds]}))
        (known,) = store.take([request.digest]).to_pylist()
        return Said(said.text, said.error, said.tokens_in, said.tokens_out, known["milliseconds"], said.cost)


def model_of(spec: Spec, parts: Parts, secrets: Callable[[str], str | None] | None = None) -> Speaks | None:
    """The model of a candidate, nothing loaded yet; None for one without."""
    if spec.model == "none":
        return None
    if spec.model == "endpoint":
        return RemoteModel(spec.endpoint, secrets)
    return LocalModel(lambda: _load(spec, parts), spec.max_new_tokens)


def identity_of(spec: Spec, parts: Parts) -> str:
    """Under which a model's answers are kept: what it is, not who asks it what."""
    endpoint = spec.endpoint.identity if spec.endpoint else None
    weights = [version.digest for version in spec.models(parts)]
    return digest({"code": CODE, "weights": weights, "endpoint": endpoint, "max_new_tokens": spec.max_new_tokens})


def _load(spec: Spec, parts: Parts) -> Generator:
    if spec.compression != "none":
        from llmops_pipelines.lifecycle.training import compression

        folder = parts.compressed.file("model")
        return Generator.of(compression.open_model(folder, bf16=usually_bf16()), folder)
    return Generator.open(*weights_of(parts.base, parts.checkpoint if spec.model == "tuned" else None))


def _stored(said: dict[str, Said]):
    import pyarrow as pa

    kinds = {"tokens_in": pa.int64(), "tokens_out": pa.int64(), "milliseconds": pa.float64(), "cost": pa.float64()}
    schema = pa.schema({"prompt_digest": pa.string(), "text": pa.string(), **kinds})
    names = ("text", *kinds)
    rows = [{"prompt_digest": key, **{name: getattr(each, name) for name in names}} for key, each in said.items()]
    return pa.Table.from_pylist(rows, schema)
