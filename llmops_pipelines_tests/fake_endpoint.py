"""A service on this machine that speaks OpenAI's protocol (chat completions and embeddings), in good and bad moods.

    with FakeEndpoint(answer=lambda messages: "yes") as service:
        Chat(service.words(attempts=1)).ask([[Message("user", "Is it?")]])

What a test wants to know of the requests is in `service.requests`; no stage is known here.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llmops_pipelines.config.endpoints import ChatEndpoint

KEY = "sk-secret-4711"
Messages = list[dict[str, str]]
Mood = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request: `body` is what was asked; a mood answers it through `say` and the like."""

    protocol_version = "HTTP/1.1"
    server: "FakeServer"

    def do_POST(self) -> None:
        self.body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        service = self.server.service
        with service.lock:
            service.requests.append(self.body)
            service.headers.append(dict(self.headers))
            mood = service.moods.pop(0) if service.moods else service.choose(self.body)
            service.under_way += 1
            service.most_at_once = max(service.most_at_once, service.under_way)
        try:
            mood(self)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up waiting, as it should
        finally:
            with service.lock:
                service.under_way -= 1

    def say(self, status: int, value: object, **headers: str) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in ({"content-length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True
    service: "FakeEndpoint"

    def handle_error(self, *_: object) -> None:
        pass


class FakeEndpoint:
    """A running service. `answer` makes a text of the messages, `embed` a vector of a text.

    `moods` answer one request each, before anything else; then `failing` decides, and the rest goes well.
    """

    def __init__(
        self,
        answer: Callable[[Messages], str] = lambda messages: messages[-1]["content"],
        embed: Callable[[str], list[float]] | None = None,
        failing: "Failing | None" = None,
        moods: Iterable[Mood] = (),
        model: str = "fake-1",
    ) -> None:
        self.answer, self.embed, self.failing, self.moods = answer, embed or vector_of, failing, list(moods)
        self.model, self.system_fingerprint = model, "fp_1"
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.under_way = self.most_at_once = 0
        self.lock = threading.Lock()

    def __enter__(self) -> "FakeEndpoint":
        self._server = FakeServer(("127.0.0.1", 0), Request)
        self._server.service = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def words(self, **words: Any) -> ChatEndpoint:
        """The words to ask this service with; two attempts, so that failing tests are fast."""
        return ChatEndpoint(**{"url": self.url, "model": self.model, "attempts": 2, "seconds": 5.0} | words)

    def choose(self, body: dict[str, Any]) -> Mood:
        if self.failing and self.failing.meets(body):
            return self.failing.mood
        return well

    @property
    def asked(self) -> int:
        return len(self.requests)


class Failing:
    """Exactly this share of the different questions fails, however often each is asked: floor(n * share) of n."""

    def __init__(self, share: float, mood: "Mood | None" = None) -> None:
        self.share, self.mood = share, mood or status(503)
        self._seen: dict[str, bool] = {}

    def meets(self, body: dict[str, Any]) -> bool:
        key = hashlib.sha256(json.dumps(body.get("messages", body.get("input"))).encode()).hexdigest()
        count = len(self._seen)
        return self._seen.setdefault(key, int((count + 1) * self.share) > int(count * self.share))


def completion(request: Request, text: str | None, end: str = "stop") -> dict[str, Any]:
    """What a good service answers; a token is a word here."""
    words = sum(len(message["content"].split()) for message in request.body["messages"])
    service = request.server.service
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": service.model,
        "system_fingerprint": service.system_fingerprint,
        "choices": [{"index": 0, "finish_reason": end, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": words, "completion_tokens": len((text or "").split())},
    }


def well(request: Request) -> None:
    service = request.server.service
    if request.path.endswith("/embeddings"):
        given = request.body["input"]
        texts = [given] if isinstance(given, str) else given
        data = [{"index": at, "object": "embedding", "embedding": service.embed(text)} for at, text in enumerate(texts)]
        request.say(200, {"object": "list", "model": service.model, "data": data, "usage": {"prompt_tokens": len(texts)}})
    elif request.path.endswith("/chat/completions"):
        request.say(200, completion(request, service.answer(request.body["messages"])))
    else:
        request.say(404, {"error": {"message": f"no such path: {request.path}"}})


def vector_of(text: str, size: int = 16) -> list[float]:
    """A bag of words: texts with the same words lie close together."""
    found = [0.01] * size
    for word in text.casefold().split():
        found[hashlib.sha256(word.encode()).digest()[0] % size] += 1.0
    return found


def status(code: int, retry_after: str | None = None, message: str = "not now") -> Mood:
    """An error of the service: 429 and 5xx are worth another attempt, 400 and 401 are not."""
    headers = {} if retry_after is None else {"retry_after": retry_after}
    return lambda request: request.say(code, {"error": {"message": message}}, **headers)


def says(text: str | None, end: str = "stop") -> Mood:
    """This text and no other: NaN for a score, half a JSON, an injected verdict; None for a refusal without text."""
    return lambda request: request.say(200, completion(request, text, end))


def raw(content: bytes) -> Mood:
    """Status 200 with something that is no chat completion."""
    return lambda request: request.say(200, content)


def uncounted(request: Request) -> None:
    """A good answer without usage."""
    answer = completion(request, request.server.service.answer(request.body["messages"]))
    del answer["usage"]
    request.say(200, answer)


def slow(seconds: float) -> Mood:
    """A good answer, late."""

    def mood(request: Request) -> None:
        time.sleep(seconds)
        well(request)

    return mood


def hung_up(request: Request) -> None:
    """The connection closes without a word."""
    request.close_connection = True


def dropped(request: Request) -> None:
    """The connection closes in the middle of an answer."""
    request.close_connection = True
    request.send_response(200)
    request.send_header("content-length", "1000")
    request.end_headers()
    request.wfile.write(b'{"choices": [')
