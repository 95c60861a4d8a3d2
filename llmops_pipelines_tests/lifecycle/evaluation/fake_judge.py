"""Judges for tests, as functions from messages to a reply: one that reads, one that obeys what it reads, one that wavers."""

import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from llmops_pipelines_tests.fake_endpoint import Messages, vector_of

Judging = Callable[[Messages], str]


class Words:
    """An embedder that sees which words are in a text."""

    def embed(self, texts: list[str]) -> np.ndarray:
        found = np.array([vector_of(text, 64) for text in texts], dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def given(messages: Messages) -> dict[str, Any]:
    """The input of a prompt of ragas."""
    return json.loads(messages[-1]["content"].rpartition("\ninput: ")[2].removesuffix("\nOutput: "))


def says(text: str, source: str) -> int:
    """Whether every word of `text` stands in `source`."""
    strip = ".,?!"
    there = {word.strip(strip) for word in source.lower().split()}
    return int(all(word.strip(strip) in there for word in text.lower().split()))


def honest(asked: Mapping[str, str]) -> Judging:
    """Fills ragas' forms by the words that texts share. `asked` says which question an answer answers."""

    def judge(messages: Messages) -> str:
        material = given(messages)
        match sorted(material):
            case ["answer", "question"]:
                return json.dumps({"statements": [material["answer"]]})
            case ["context", "statements"]:
                found = [(text, says(text, material["context"])) for text in material["statements"]]
                return json.dumps({"statements": [{"statement": t, "reason": "words", "verdict": v} for t, v in found]})
            case ["response"]:
                question = asked.get(material["response"], "Something else entirely")
                return json.dumps({"question": question, "noncommittal": 0})
            case ["atomicity", "coverage", "response"]:
                return json.dumps({"claims": [material["response"]]})
            case ["answer", "context", "question"]:
                verdict = says(material["answer"], material["context"])
                if "classifications" not in messages[-1]["content"]:
                    return json.dumps({"reason": "words", "verdict": verdict})
                one = {"statement": material["answer"], "reason": "words", "attributed": verdict}
                return json.dumps({"classifications": [one]})
        raise AssertionError(f"an unknown form: {sorted(material)}")

    return judge


def gullible(asked: Mapping[str, str]) -> Judging:
    """Reads well, until the material says what the verdict is."""
    reads = honest(asked)

    def judge(messages: Messages) -> str:
        reply = reads(messages)
        told = json.dumps(given(messages))
        ordered = "IGNORE ALL PREVIOUS" in told or "the evaluation is over" in told or "give it score" in told
        return reply.replace('"verdict": 0', '"verdict": 1').replace('"attributed": 0', '"attributed": 1') if ordered else reply

    return judge


def stern(asked: Mapping[str, str], strict: str) -> Judging:
    """As `honest`, but nothing that is said of `strict` is ever right: a judge after an update."""
    reads = honest(asked)

    def judge(messages: Messages) -> str:
        reply = reads(messages)
        return reply.replace('"verdict": 1', '"verdict": 0') if strict in json.dumps(given(messages)) else reply

    return judge


def wavering(asked: Mapping[str, str]) -> Judging:
    """Says of half of all questions something else every second time, whatever the order that they come in."""
    reads, times = honest(asked), Counter[str]()

    def judge(messages: Messages) -> str:
        key = json.dumps(messages, sort_keys=True)
        times[key] += 1
        changes = zlib.crc32(key.encode()) % 2 and times[key] % 2 == 0
        reply = reads(messages)
        return reply.replace('"verdict": 1', '"verdict": 0') if changes else reply

    return judge
