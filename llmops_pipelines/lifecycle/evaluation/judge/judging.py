"""The judge at work on one candidate's answers: which metric applies to which row, what is worth nothing without asking.

What the judge is asked is in `metrics.py`, whether it is believed in `examination.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llmops_pipelines.config.evaluation import Judge
from llmops_pipelines.lifecycle.compute.chat import Chat
from llmops_pipelines.lifecycle.lake import Lake, Version, digest

from ..rows import Outcome, Row, Scores, scored
from ..similarity import Embeds
from .anchors import JudgeError
from .calls import Calls
from .metrics import PASSAGES, READS_PASSAGES, Case, opinions


@dataclass(frozen=True)
class Opinions:
    """The judge's scores with an identity of the judge, which is the same only while its epoch lasts."""

    scores: Scores
    version: str
    facts: dict[str, Any]


def judged(
    lake: Lake,
    judge: Version,
    words: Judge,
    rows: Sequence[Row],
    embedder: Embeds,
    secrets: "Callable[[str], str | None] | None" = None,
) -> Opinions:
    """Every metric of the words over the rows that it applies to; those that it does not apply to have no score and no error.

    Where the examination left a doubt nothing is asked, and each row has the doubt as its error. Raises `JudgeError` when
    `judge` was examined under other words.
    """
    about = judge.json("judge")
    if about["endpoint"] != words.endpoint.identity or about["metrics"] != list(words.metrics):
        raise JudgeError("evaluation.judge changed since the judge was examined; materialize the asset judge first")
    version = digest({"judge": about["identity"], "epoch": about["epoch"]})
    calls = Calls(Chat(words.endpoint, secrets), lake.store("judgements", version, "call"))
    reads = any(row.read for row in rows)
    applies = {metric: [row for row in rows if _applies(metric, row, reads)] for metric in words.metrics}
    trusted = [metric for metric in words.metrics if metric not in about["doubts"]]
    wanted = {metric: [_case(row) for row in applies[metric] if _must_ask(metric, row)] for metric in trusted}
    found = opinions(wanted, calls, embedder)
    scores = {}
    for metric, chosen in applies.items():
        doubt = about["doubts"].get(metric)
        outcomes: dict[str, Outcome] = {row.id: 0.0 for row in chosen if row.answer is not None}
        outcomes |= {row.id: f"the judge is set aside: {doubt}" for row in chosen} if doubt else found[metric]
        if chosen:
            scores[metric] = scored(metric, chosen, outcomes)
    failures = sum(isinstance(outcome, str) for each in found.values() for outcome in each.values())
    facts = {"judge": about["named"], "judge_epoch": about["epoch"], "judge_failures": failures}
    facts |= {"judge_calls": calls.asked, "judge_reused": calls.reused, "judge_tokens": calls.tokens, "judge_cost": calls.cost}
    return Opinions(scores, version[:16], facts)


def _applies(metric: str, row: Row, reads: bool) -> bool:
    """Whether a metric says something about a row; `reads` says whether the candidate reads passages at all. An answer that is
    missing stays in, and has its error."""
    if metric in READS_PASSAGES and not reads:
        return False
    if metric == "faithfulness":  # what claims nothing cannot be unfaithful
        return row.answer is None or (not row.refused and bool(row.answer.strip()))
    if metric == "answer_relevancy":
        return row.answer is None or not row.refused
    return row.answerable


def _must_ask(metric: str, row: Row) -> bool:
    """What is not asked is worth 0: no passage was read, or the answer is empty or a refusal where an answer exists."""
    if row.answer is None or (metric in READS_PASSAGES and not any(text.strip() for text in row.read)):
        return False
    return metric in PASSAGES or (bool(row.answer.strip()) and not row.refused)


def _case(row: Row) -> Case:
    return Case(row.id, row.question, row.read, row.answer or "", row.references[0])
