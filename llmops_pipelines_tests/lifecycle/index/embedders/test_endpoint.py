"""A service on this machine that speaks OpenAI's protocol, in good and bad moods."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from llmops_pipelines.config.pipeline import Embeddings, Endpoint
from llmops_pipelines.lifecycle.index import Embedder, IndexingError
from llmops_pipelines.lifecycle.index.embedders import endpoint
from llmops_pipelines.lifecycle.index.embedders.endpoint import EndpointEncoder, fingerprint, place

KEY = "sk-secret-4711"
Answer = Callable[["Service", list[str]], None]


def numbers(text: str) -> list[float]:
    """What this service makes of a text: not of unit length."""
    return [float(len(text)), 1.0, float(text.count("e")), 2.0]


class Service(BaseHTTPRequestHandler):
    """`server.moods` answer one request each, then all goes well."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, self.headers, body))
        mood = self.server.moods.pop(0) if self.server.moods else well
        mood(self, body["input"])

    def say(self, status: int, value: object, **headers: str) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers | {"content-length": str(len(content))}).items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def rows(texts: list[str]) -> list[dict]:
    return [{"index": at, "embedding": numbers(text)} for at, text in enumerate(texts)]


def well(service: Service, texts: list[str]) -> None:
    service.say(200, {"data": rows(texts)[::-1]})  # in another order: `index` counts


def busy(service: Service, texts: list[str]) -> None:
    service.say(429, {"error": "slow down"}, retry_after="7")


def broken(service: Service, texts: list[str]) -> None:
    service.say(503, {})


def dropped(service: Service, texts: list[str]) -> None:
    service.send_response(200)
    service.send_header("content-length", "1000")
    service.end_headers()
    service.wfile.write(b'{"data": [')


def hung_up(service: Service, texts: list[str]) -> None:
    service.close_connection = True


def at_most_two(service: Service, texts: list[str]) -> None:
    service.server.moods.append(at_most_two)
    well(service, texts) if len(texts) <= 2 else service.say(413, {"error": "batch size > 2"})


def spoiled(change: Callable[[list[dict]], object]) -> Answer:
    return lambda service, texts: service.say(200, change(rows(texts)))


def with_vector(vector: object) -> Answer:
    return spoiled(lambda given: {"data": [given[0] | {"embedding": vector}, *given[1:]]})


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.moods, server.asked = [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server) -> Callable[..., EndpointEncoder]:
    waited: list[float] = []

    def open_(**words) -> EndpointEncoder:
        settings = Endpoint(url=f"http://127.0.0.1:{server.server_port}/v1", model="m", dimension=4, key="SOME_KEY", **words)
        return EndpointEncoder(settings, {"SOME_KEY": KEY}.get, waited.append)

    open_.waited = waited
    return open_


def unit(texts: list[str]) -> np.ndarray:
    vectors = np.array([numbers(text) for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_vectors_come_in_the_order_of_the_texts_with_unit_length(server, client, monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "TEXTS_AT_ONCE", 3)
    texts = [f"{'e' * n} text" for n in range(10)]
    found = client()(texts)
    assert found.dtype == np.float32 and np.array_equal(found, unit(texts))
    assert sorted(len(body["input"]) for _, _, body in server.asked) == [1, 3, 3, 3]
    path, headers, body = server.asked[0]
    assert (path, headers["authorization"], body["model"]) == ("/v1/embeddings", f"Bearer {KEY}", "m")


@pytest.mark.parametrize("mood", [busy, broken, dropped, hung_up])
def test_a_bad_moment_is_waited_out(server, client, mood) -> None:
    server.moods = [mood, mood]
    assert np.array_equal(client()(["a", "b"]), unit(["a", "b"]))
    assert len(server.asked) == 3 and len(client.waited) == 2
    assert client.waited == [7.0, 7.0] if mood is busy else client.waited[0] < client.waited[1] * 2 < 4.1


def test_a_service_that_stays_bad_is_given_up(server, client) -> None:
    server.moods = [busy] * 100
    with pytest.raises(IndexingError, match=r"127.0.0.1:\d+/v1, model m, gave no answer in 6 attempts \(status 429\)"):
        client()(["a"])
    assert len(server.asked) == 6


def test_a_batch_that_is_too_large_is_halved(server, client) -> None:
    server.moods = [at_most_two] * 20
    texts = [f"text {n}" for n in range(7)]
    assert np.array_equal(client()(texts), unit(texts))


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        (lambda service, _: service.say(401, {"error": f"wrong key {KEY}"}), r"status 401: .*wrong key \[key\].*check url"),
        (lambda service, _: service.say(422, {"error": "no"}), "status 422"),
        (spoiled(lambda given: {"data": given[:-1]}), "2 vectors, not one for each of 3"),
        (spoiled(lambda given: {"data": [given[0] | {"index": 1}, *given[1:]]}), "not one for each"),
        (spoiled(lambda given: {"embeddings": given}), "something else than embeddings"),
        (spoiled(lambda given: given), "something else than embeddings"),
        (with_vector([1.0, 2.0]), "vectors of 2, 4 components, not 4; set embeddings.endpoint.dimension"),
        (with_vector([[1.0], 1.0, 1.0, 1.0]), "something else than numbers"),
        (with_vector("abcd"), "something else than numbers"),
    ],
)
def test_an_answer_of_another_kind_is_refused_and_the_key_not_shown(server, client, mood, said) -> None:
    server.moods = [mood] * 9
    texts = ["a"] if "422" in said else ["a", "b", "c"]
    with pytest.raises(IndexingError, match=said) as error:
        client()(texts)
    assert KEY not in str(error.value) + repr(client())
    assert not client.waited


@pytest.mark.parametrize("vector", [[float("nan"), 1.0, 1.0, 1.0], [0.0] * 4, [float("inf"), 0.0, 0.0, 0.0], [None] * 4])
def test_unsound_vectors_are_left_for_the_stage_to_refuse_by_chunk(server, client, vector) -> None:
    server.moods = [with_vector(vector)]
    found = client()(["a", "b"])
    assert np.array_equal(found[1], unit(["b"])[0])
    assert not np.isclose(np.linalg.norm(found[0]), 1)


def test_nobody_there_is_said(server, client) -> None:
    nowhere = Endpoint(url="http://127.0.0.1:9/v1", model="m", dimension=4)
    with pytest.raises(IndexingError, match=r"6 attempts \(ConnectError\)"):
        EndpointEncoder(nowhere, None, lambda _: None)(["a"])


@pytest.mark.parametrize("secrets", [None, {}.get])
def test_a_key_that_is_not_set_is_asked_for(client, secrets) -> None:
    with pytest.raises(IndexingError, match="SOME_KEY is not set"):
        EndpointEncoder(client().endpoint, secrets)(["a"])


def test_the_identity_holds_what_makes_the_vectors_and_no_password() -> None:
    here = Endpoint(url="https://a.example/v1/?api-version=1", model="m", dimension=4)
    assert place(here) == "a.example/v1"
    same = [Endpoint(url="http://a.example/v1", model="m", dimension=4, key="K")]
    others = [here.model_copy(update=word) for word in ({"url": "https://a.example/v2"}, {"model": "n"}, {"dimension": 8})]
    assert {fingerprint(here)} == {fingerprint(each) for each in same}
    assert len({fingerprint(each) for each in [here, *others]}) == 4


def test_an_embedder_with_an_endpoint_asks_it(server, client) -> None:
    settings = Embeddings(endpoint=client().endpoint)
    opened = Embedder.open(settings, {"SOME_KEY": KEY}.get)
    assert (opened.dimension, opened.name) == (4, "m")
    assert opened.fingerprint == fingerprint(client().endpoint) != Embedder.open(Embeddings()).fingerprint
    assert np.array_equal(opened.embed(["a"]), unit(["a"])) and opened.embed([]).shape == (0, 4)
    assert not re.search(KEY, repr(opened))
