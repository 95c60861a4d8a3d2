"""The asset written_pairs: question-answer pairs that a teacher model writes about passages of the train side.

Whether a pair may be learnt from is said by `checking.py`. A passage is sent to a teacher once, for ever: what it answered is
kept by passage, teacher and prompt, and a run that was cut short goes on where it ended.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmops_pipelines.config.datasets import Questions, WrittenPairs
from llmops_pipelines.lifecycle.compute.chat import Chat, Failure, Message, Secrets
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version, digest, fingerprint
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .border import draw
from .checking import Pair, Reply, Rules, pairs_in, same_answer
from .prompts import Prompt
from .question_files import load
from .shelf import Passage
from .wording import plain, words

CODE = "written_pairs/1"
ASSET = "written_pairs"
PER_PASSAGE = 2  # pairs asked for in one request; more of one passage repeat each other
LEAST_WORDS = 20  # of a passage that is worth a request
NOTHING = "null"  # kept where asking again would fail again
SHOWN = 5  # kinds of failures
AT_ONCE = 64  # requests between two writes to the store: what a crash can cost


@dataclass(frozen=True)
class Sent:
    """A passage that the teacher is asked about."""

    passage: Passage
    title: str

    @property
    def text(self) -> str:
        return f"{self.title}\n\n{self.passage.text}"

    @property
    def key(self) -> str:
        return text_digest(self.text)


@dataclass
class Teacher:
    """A model that is asked at most once per key, and keeps its answers in the lake; tokens are counted over the run."""

    lake: Lake
    words: WrittenPairs
    chat: Chat
    tokens: int = 0
    cost: float | None = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def answers(self, prompt: Prompt, name: str, asked: dict[str, list[Message]], schema: Any = None) -> dict[str, str]:
        """Text by key, of those that are known or could be asked."""
        store = self.lake.store(name, digest([self.words.teacher.identity, prompt.digest, PER_PASSAGE]), "key")
        missing = store.missing(asked)
        self.counts[f"{name}_reused"] += len(asked) - len(missing)
        for first in range(0, len(missing), AT_ONCE):
            if self.tokens >= self.words.most_tokens:
                self.counts["waiting_for_tokens"] += len(missing) - first
                break
            self._ask(store, missing[first : first + AT_ONCE], asked, schema)
        still = set(store.missing(asked))
        found = store.take([key for key in asked if key not in still], ["answer"]).to_pylist()
        return {row["key"]: row["answer"] for row in found}

    def _ask(self, store: Store, keys: list[str], asked: dict[str, list[Message]], schema: Any) -> None:
        import pyarrow as pa

        rows = []
        for key, reply in zip(keys, self.chat.ask([asked[key] for key in keys], schema), strict=True):
            if isinstance(reply, Failure):
                self.failures[reply.reason] += 1
                if reply.lasting:
                    rows.append({"key": key, "answer": NOTHING})
                continue
            self.counts["requests"] += 1
            self.tokens += _counted(reply.tokens_in, asked[key]) + _counted(reply.tokens_out, [Message("user", reply.text)])
            self.cost = None if self.cost is None or reply.cost is None else self.cost + reply.cost
            rows.append({"key": key, "answer": reply.text if schema is None else json.dumps(reply.value)})
        store.append(pa.Table.from_pylist(rows, pa.schema([("key", pa.string()), ("answer", pa.string())])))


def written_pairs(
    lake: Lake,
    documents: Version,
    chunks: Version,
    questions: Questions,
    written: WrittenPairs,
    window: int,
    project: Path,
    secrets: Secrets | None = None,
    pause: Callable[[float], Any] | None = None,
) -> Version:
    """Asset written_pairs: pair_id, doc_id, chunk_id, cluster, question, answer, teacher; table rejected with the reasons.

    A version made while the teacher did not answer everything says so in its facts, and the next run asks again.
    `window` words in a row are what no pair may share with evaluation.
    """
    rows = load(questions, project)
    write, read = (Prompt.load(Path(path), project) for path in (written.prompt, written.round_trip_prompt))
    config = {
        **written.model_dump(include={"terms", "per_document", "grounded", "round_trip"}),
        "teacher": written.teacher.identity,
        "prompts": [write.digest, read.digest],
        "held_out": questions.held_out,
        "rows": rows,
        "window": window,
    }
    parents = [documents, chunks]
    digests = {parent.asset: parent.digest for parent in parents}
    if complete := lake.find(ASSET, fingerprint(CODE, config | {"unanswered": []}, digests)):
        return complete
    border = draw(lake, documents, chunks, rows, questions.held_out, window, Counter())
    titles = {row["doc_id"]: row["title"] or "" for row in documents.table(columns=["doc_id", "title"]).to_pylist()}
    chat = Chat(written.teacher, secrets) if pause is None else Chat(written.teacher, secrets, pause)
    work = _Work(Teacher(lake, written, chat), write, read, _chosen(border.shelf.passages, titles, written.per_document))
    work.ask(Rules(written.grounded, border.asked, border.runs))
    return lake.once(ASSET, code=CODE, config=config | {"unanswered": work.unanswered}, parents=parents, write=work.publish)


class _Work:
    """One run: what the teacher wrote about which passages, and what of it stands."""

    def __init__(self, teacher: Teacher, write: Prompt, read: Prompt, sent: Sequence[Sent]) -> None:
        self.teacher, self.write, self.read, self.sent = teacher, write, read, sent
        self.settings = teacher.words
        self.accepted: list[tuple[Sent, Pair]] = []
        self.rejected: list[tuple[Sent, Pair | None, str]] = []
        self.unanswered: list[str] = []

    def ask(self, rules: Rules) -> None:
        asked = {each.key: self.write.messages([each.text], str(PER_PASSAGE)) for each in self.sent}
        said = self.teacher.answers(self.write, "written", asked, Reply.model_json_schema())
        self.unanswered = sorted(asked.keys() - said.keys())
        seen: set[str] = set()
        for each in self.sent:
            if each.key not in said:
                continue
            pairs = pairs_in(json.loads(said[each.key]))
            if pairs is None:
                self.rejected.append((each, None, "other_form"))
            for pair in pairs or ():
                reason = rules.reason_against(pair, each.passage.text, each.title)
                if reason is None and plain(pair.question) in seen:
                    reason = "repeated_question"
                if reason:
                    self.rejected.append((each, pair, reason))
                else:
                    seen.add(plain(pair.question))
                    self.accepted.append((each, pair))
        if self.settings.round_trip:
            self._again()

    def _again(self) -> None:
        """Keep the pairs whose question leads the teacher to the same answer."""
        keys = [text_digest(f"{each.key}\n{pair.question}") for each, pair in self.accepted]
        asked = {
            key: self.read.messages([each.text], pair.question) for key, (each, pair) in zip(keys, self.accepted, strict=True)
        }
        said = self.teacher.answers(self.read, "round_trips", asked)
        self.unanswered = sorted([*self.unanswered, *(asked.keys() - said.keys())])
        kept = []
        for key, (each, pair) in zip(keys, self.accepted, strict=True):
            if key in said and same_answer(said[key], pair.answer):
                kept.append((each, pair))
            else:
                self.rejected.append((each, pair, "round_trip_differs" if key in said else "round_trip_unanswered"))
        self.accepted = kept

    def publish(self, draft: Draft) -> None:
        import pyarrow as pa

        teacher = f"{self.settings.teacher.model} at {self.settings.teacher.place}"
        rows = [
            {
                "pair_id": digest([each.key, pair.question, pair.answer])[:32],
                **{name: getattr(each.passage, name) for name in ("doc_id", "chunk_id", "cluster")},
                **{"question": pair.question, "answer": pair.answer, "teacher": teacher},
            }
            for each, pair in self.accepted
        ]
        names = ("pair_id", "doc_id", "chunk_id", "cluster", "question", "answer", "teacher")
        draft.table(ASSET, pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names])))
        against = [
            {"chunk_id": each.passage.chunk_id, "question": pair.question if pair else None, "reason": reason}
            for each, pair, reason in self.rejected
        ]
        kinds = pa.schema([(name, pa.string()) for name in ("chunk_id", "question", "reason")])
        draft.table("rejected", pa.Table.from_pylist(against, kinds))
        terms = {"terms": self.settings.terms, "prompts": {"write": self.write.digest, "round_trip": self.read.digest}}
        draft.json("teacher", {**self.settings.teacher.identity, **terms})
        reasons = Counter(reason for _, _, reason in self.rejected)
        draft.spent(tokens=self.teacher.tokens)
        draft.facts |= {
            "pairs": len(rows),
            "documents": len({row["doc_id"] for row in rows}),
            "passages_sent": len(self.sent),
            "unanswered": len(self.unanswered),
            "teacher": teacher,
            "terms": self.settings.terms,
            "prompt": self.write.digest[:12],
            "tokens": self.teacher.tokens,
            "cost": self.teacher.cost,
            **{f"rejected_{reason}": count for reason, count in sorted(reasons.items())},
            **dict(sorted(self.teacher.counts.items())),
            "failures": [f"{count} x {reason}" for reason, count in self.teacher.failures.most_common(SHOWN)],
        }


def _chosen(passages: Sequence[Passage], titles: dict[str, str], per_document: int) -> list[Sent]:
    """As many passages of each document as its pairs need, drawn by their text; equal texts once."""
    by_document: dict[str, list[Sent]] = {}
    for passage in passages:
        if len(words(passage.text)) >= LEAST_WORDS:
            by_document.setdefault(passage.doc_id, []).append(Sent(passage, titles[passage.doc_id]))
    most = -(-per_document // PER_PASSAGE)
    chosen = {
        each.key: each
        for _, some in sorted(by_document.items(), reverse=True)
        for each in sorted(some, key=lambda each: hashlib.sha256(each.key.encode()).digest())[:most]
    }
    return sorted(chosen.values(), key=lambda each: (each.passage.doc_id, each.passage.start))


def _counted(tokens: int | None, messages: Sequence[Message]) -> int:
    """Tokens as the service counted them, or, where it does not count, rather too many than too few."""
    return sum(len(message.content) for message in messages) // 2 + 1 if tokens is None else tokens
