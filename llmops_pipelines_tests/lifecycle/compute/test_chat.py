import asyncio
import re
import time

import pytest

from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.lifecycle.compute import chat as module
from llmops_pipelines.lifecycle.compute.budget import Pace
from llmops_pipelines.lifecycle.compute.chat import Chat, ChatError, Failure, Message, Reply, parsed, seconds_before
from llmops_pipelines_tests.fake_endpoint import (
    KEY,
    Failing,
    FakeEndpoint,
    dropped,
    hung_up,
    raw,
    says,
    slow,
    status,
    uncounted,
)

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}


def questions(*texts: str) -> list[list[Message]]:
    return [[Message("user", text)] for text in texts]


class Waits:
    """Stands for asyncio.sleep: remembers instead of waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def impatient(service: FakeEndpoint, **words) -> Chat:
    return Chat(service.words(**words), {"SOME_KEY": KEY}.get, Waits())


def test_answers_come_in_the_order_of_the_questions_and_are_counted():
    with FakeEndpoint(answer=lambda messages: messages[-1]["content"].upper()) as service:
        found = impatient(service, price_in=1.0, price_out=4.0).ask(questions(*(f"question {n}" for n in range(20))))
    assert [reply.text for reply in found] == [f"QUESTION {n}" for n in range(20)]
    reply = found[0]
    assert (reply.tokens_in, reply.tokens_out, reply.cost) == (2, 2, pytest.approx(10e-6))
    assert reply.milliseconds > 0 and (reply.model, reply.system_fingerprint, reply.cut) == ("fake-1", "fp_1", False)


def test_what_is_sent_is_pinned():
    with FakeEndpoint() as service:
        impatient(service, key="SOME_KEY").ask([[Message("system", "Be brief."), Message("user", "Hello")]])
        impatient(service, limit_word="max_completion_tokens", temperature=None).ask(questions("a"))
    sent = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert service.requests[0] == {"model": "fake-1", "messages": sent, "max_tokens": 256, "temperature": 0.0}
    assert {name.lower(): text for name, text in service.headers[0].items()}["authorization"] == f"Bearer {KEY}"
    assert service.requests[1].keys() == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("mood", [status(429, "7"), status(503), hung_up, dropped])
def test_a_bad_moment_is_waited_out(mood):
    with FakeEndpoint(moods=[mood]) as service:
        chat = impatient(service)
        [found] = chat.ask(questions("a"))
    assert isinstance(found, Reply) and service.asked == 2
    assert chat.pause.seconds == [7.0] or 0.5 <= chat.pause.seconds[0] <= 1.0


def test_waiting_grows_and_follows_what_the_service_asks_for():
    assert seconds_before(1, "30") == 30 and seconds_before(1, "9999") == 60
    assert 0.5 <= seconds_before(1, "") <= 1 and 4 <= seconds_before(4, "soon") <= 8
    assert seconds_before(1, "Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(("share", "failures"), [(0.01, 1), (0.5, 50), (1.0, 100)])
def test_every_question_gets_an_answer_or_a_reason(share, failures):
    with FakeEndpoint(failing=Failing(share)) as service:
        found = impatient(service).ask(questions(*(f"q{n}" for n in range(100))))
    assert sum(isinstance(each, Failure) for each in found) == failures
    assert all(each.text == f"q{n}" for n, each in enumerate(found) if isinstance(each, Reply))


def test_a_service_that_is_gone_is_not_waited_for_by_all(monkeypatch):
    monkeypatch.setattr(module, "LOST_IN_A_ROW", 5)
    with FakeEndpoint(failing=Failing(1.0)) as service:
        found = impatient(service, at_once=1, attempts=3).ask(questions(*(f"q{n}" for n in range(50))))
    assert service.asked == 15
    assert found[4].reason == "no answer in 3 attempts (status 503)"
    assert found[5].reason.endswith("did not answer 5 questions in a row")


def test_an_answer_that_takes_too_long_is_given_up():
    with FakeEndpoint(failing=Failing(1.0, slow(0.5))) as service:
        began = time.perf_counter()
        [found] = impatient(service, seconds=0.1).ask(questions("a"))
    assert "imeout" in found.reason and service.asked == 2 and time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("mood", "reason", "lasting"),
    [
        (status(400, message="too long"), "status 400: .*too long", True),
        (status(401, message=f"wrong key {KEY}"), r"status 401: .*wrong key \[key\]", False),
        (raw(b"<html>"), "not a chat completion", False),
        (raw(b'{"choices": []}'), "not a chat completion", False),
        (raw(b"[" * 100_000), "not a chat completion", False),
        (raw(b" " * 5_000_000), "not a chat completion", False),
        (says(None, "content_filter"), r"no text \(finish_reason content_filter\)", True),
        (says("  "), "no text", True),
    ],
)
def test_what_is_no_answer_fails_alone_without_another_attempt(mood, reason, lasting):
    with FakeEndpoint(moods=[mood]) as service:
        chat = impatient(service, key="SOME_KEY", at_once=1)
        bad, good = chat.ask(questions("a", "b"))
    assert re.search(reason, bad.reason) and bad.lasting is lasting and KEY not in bad.reason + repr(chat)
    assert good.text == "b" and service.asked == 2


@pytest.mark.parametrize(
    ("text", "value"), [('{"score": 1}', {"score": 1}), ('```json\n{"score": 0.5}\n```', {"score": 0.5}), ("[]", [])]
)
def test_json_is_asked_for_by_schema_and_parsed(text, value):
    with FakeEndpoint(moods=[says(text)]) as service:
        [found] = impatient(service).ask(questions("a"), SCHEMA)
    assert found.value == value
    assert service.requests[0]["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("text", ['{"score": NaN}', '{"score": 1', "The score is 1", '{"score": Infinity}'])
def test_what_is_no_json_is_a_failure_and_is_paid_for(text):
    with FakeEndpoint(moods=[says(text, "length")]) as service:
        chat = impatient(service, price_out=1e6)
        [found] = chat.ask(questions("a"), SCHEMA)
    assert found.reason == "malformed answer: the text is not JSON, cut at max_tokens"
    assert chat.budget.spent == len(text.split())


def test_no_question_is_asked_beyond_the_cost_cap():
    price = 1e6  # one per word written
    with FakeEndpoint(answer=lambda messages: "one two") as service:
        chat = impatient(service, price_out=price, max_tokens=10, most_cost=30, at_once=1)
        found = chat.ask(questions(*(f"q{n}" for n in range(30))))
        assert [type(each) for each in found] == [Reply] * 11 + [Failure] * 19  # 10 may be needed for one; 22 are spent
        assert found[-1].reason.startswith("cost cap") and chat.budget.spent == 22 and service.asked == 11
        assert impatient(service, price_out=price, max_tokens=31, most_cost=30).ask(questions("a"))[0].reason.startswith("cost")


def test_what_is_not_counted_is_taken_as_the_most_it_can_be():
    with FakeEndpoint(failing=Failing(1.0, uncounted)) as service:
        chat = impatient(service, price_out=1e6, max_tokens=10, most_cost=25, at_once=1)
        found = chat.ask(questions("a", "b", "c"))
    assert (found[0].cost, found[0].tokens_out) == (None, None)
    assert [type(each) for each in found] == [Reply, Reply, Failure]


def test_an_answer_that_never_came_may_have_cost_its_price_each_time():
    with FakeEndpoint(failing=Failing(1.0, slow(0.3))) as service:
        chat = impatient(service, price_out=1e6, max_tokens=10, most_cost=25, seconds=0.05, attempts=5)
        [found] = chat.ask(questions("a"))
    assert found.reason.startswith("cost cap") and service.asked == 2 and 20 <= chat.budget.spent <= 25


def test_at_most_so_many_are_under_way():
    with FakeEndpoint(failing=Failing(1.0, slow(0.02))) as service:
        impatient(service, at_once=3).ask(questions(*"abcdefghijkl"))
    assert service.most_at_once == 3


def test_requests_are_spread_over_the_minute():
    now = [100.0]
    pace = Pace(30, clock=lambda: now[0])
    assert [pace.wait() for _ in range(3)] == [0.0, 2.0, 4.0]
    now[0] += 60
    assert pace.wait() == 0.0 and Pace(None).wait() == 0.0
    with FakeEndpoint() as service:
        chat = impatient(service, requests_per_minute=60, at_once=1)
        chat.ask(questions("a", "b", "c"))
    assert [round(seconds) for seconds in chat.pause.seconds] == [1, 2]


def test_it_can_be_asked_from_a_running_event_loop():
    async def main(chat: Chat) -> list:
        blocking = chat.ask(questions("a"))
        async with chat.asking() as asking:
            return [*blocking, await asking.one(questions("b")[0])]

    with FakeEndpoint() as service:
        found = asyncio.run(main(impatient(service)))
    assert [reply.text for reply in found] == ["a", "b"]


def test_a_key_that_is_not_set_is_asked_for_when_something_is_asked():
    with FakeEndpoint() as service:
        chat = Chat(service.words(key="OTHER_KEY"), {}.get)
        assert chat.ask([]) == []
        with pytest.raises(ChatError, match="OTHER_KEY is not set; put the key of 127.0.0.1"):
            chat.ask(questions("a"))


def test_nobody_there_is_a_failure():
    nowhere = ChatEndpoint(url="http://127.0.0.1:9/v1?key=pw", model="m", attempts=2)
    [found] = Chat(nowhere, None, Waits()).ask(questions("a"))
    assert found.reason == "no answer in 2 attempts (ConnectError)"
    assert nowhere.place == "127.0.0.1:9/v1" and "pw" not in str(nowhere.identity)


def test_a_cap_without_prices_is_refused():
    with pytest.raises(ValueError, match="price_in and price_out beside most_cost"):
        ChatEndpoint(url="http://a/v1", model="m", most_cost=1.0)


def test_nan_is_no_json():
    with pytest.raises(ValueError, match="NaN is no JSON"):
        parsed('{"a": NaN}')
