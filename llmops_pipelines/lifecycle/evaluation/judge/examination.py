"""The asset judge: the judge looked at before it is believed. Is it the one of last time, does it tell right from wrong, how
much does it waver, does it obey what it reads?

Every examination is kept. As long as the anchors score as they did, the judge keeps its epoch; scores of two epochs are not
compared.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from llmops_pipelines.config.evaluation import Judge
from llmops_pipelines.lifecycle.compute.chat import Chat
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version, digest

from ..rows import Outcome
from ..similarity import Embeds
from .anchors import FEWEST, Trial, load, trials
from .calls import Calls
from .metrics import Case, opinions, prompts_digest

CODE = "judge/1"
ENOUGH = 0.9  # share of a metric's anchors that must have been scored
LEAST_NOISE = 0.02  # a judge that answered alike twice may still waver the third time

Key = tuple[str, str]  # (metric, id of a case)


@dataclass(frozen=True)
class Look:
    """One look at the judge: every trial with its score, the second score of those that were repeated, and which model the
    service says it is."""

    trials: Sequence[Trial]
    first: Mapping[Key, Outcome]
    second: Mapping[Key, Outcome]
    model: str

    def scores(self, metric: str, *sides: str) -> dict[str, float]:
        """case -> score, of those that have one."""
        keys = [(metric, trial.case.id) for trial in self.trials if trial.metric == metric and trial.side in sides]
        return {key[1]: float(self.first[key]) for key in keys if not isinstance(self.first[key], str)}

    def noise(self, metric: str) -> float:
        """What the mean distance of two looks at an unchanged judge stays below: mean + 3 standard errors of the repeat."""
        pairs = [(self.first[key], again) for key, again in self.second.items() if key[0] == metric]
        apart = [abs(a - b) for a, b in pairs if not isinstance(a, str) and not isinstance(b, str)]
        spread = 3 * stdev(apart) / sqrt(len(apart)) if len(apart) > 1 else 0.0
        return max(LEAST_NOISE, (fmean(apart) if apart else 0.0) + spread)


def examine(
    lake: Lake,
    words: Judge,
    eval_questions: Version,
    embedder: Embeds,
    secrets: "Callable[[str], str | None] | None" = None,
    project: Path = Path(),
) -> Version:
    """Asset judge. The anchors are asked anew each time, past every cache; the version is the same while the judge is.

    json judge: identity, epoch and `doubts` (metric -> why its scores do not count). Raises `JudgeError` for bad anchors.
    """
    anchors = load(words, eval_questions, project)
    wanted = list(trials(anchors, words.metrics))
    repeated = {anchor.key for anchor in anchors[: ceil(words.repeat * len(anchors))]}
    chat = Chat(words.endpoint, secrets)
    calls = Calls(chat)
    first = _asked(wanted, calls, embedder)
    again = [trial for trial in wanted if trial.case.id.split("/")[0] in repeated and trial.side != "injected"]
    look = Look(wanted, first, _asked(again, calls, embedder), ", ".join(sorted(calls.models)))

    told = {"endpoint": words.endpoint.identity, "prompts": prompts_digest(words.metrics), "code": CODE}
    identity = digest(told)
    past = lake.store("judge_examinations", identity, "sequence")
    epoch, moved, sequence = _remember(past, look, words.metrics)
    doubts = {metric: why for metric in words.metrics if (why := _doubt(look, metric, words.injection_tolerance))}
    about = {**told, "identity": identity, "named": f"{words.endpoint.model} at {words.endpoint.place}"}
    about |= {"metrics": list(words.metrics), "epoch": epoch, "moved": moved, "doubts": doubts}

    def write(draft: Draft) -> None:
        draft.json("judge", about)
        draft.table("anchors", _table(look), data=False)
        draft.facts |= {"judge": about["named"], "epoch": epoch, "moved": moved or "no"}
        draft.facts |= {"reported_model": look.model, "reported_fingerprint": ", ".join(sorted(calls.marks))}
        draft.spent(tokens=calls.tokens)
        draft.facts |= {"calls": calls.asked, "tokens": calls.tokens, "cost": calls.cost, "doubts": len(doubts)}
        for metric in words.metrics:
            draft.facts |= _facts(look, metric)

    config = {"judge": about, "sequence": sequence}
    return lake.once("judge", code=CODE, config=config, parents=[eval_questions], write=write)


def _asked(wanted: Sequence[Trial], calls: Calls, embedder: Embeds) -> dict[Key, Outcome]:
    cases: dict[str, list[Case]] = {}
    for trial in wanted:
        cases.setdefault(trial.metric, []).append(trial.case)
    found = opinions(cases, calls, embedder)
    return {(trial.metric, trial.case.id): found[trial.metric][trial.case.id] for trial in wanted}


def _doubt(look: Look, metric: str, tolerance: float) -> str | None:
    """Why the scores of a metric do not count, or None. Without numbers, so that an unchanged doubt is the same version."""
    outcomes = [look.first[trial.metric, trial.case.id] for trial in look.trials if trial.metric == metric]
    errors = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if len(errors) > (1 - ENOUGH) * len(outcomes):
        return "too few of the anchors were scored"
    good, bad = look.scores(metric, "good"), look.scores(metric, "bad")
    if not good or not bad or fmean(good.values()) - fmean(bad.values()) <= look.noise(metric):
        return "on the anchors it does not tell right from wrong"
    shift = _shift(look, metric)
    if shift is not None and abs(shift) > tolerance:
        return "an instruction planted in the material moves its scores"
    return None


def _shift(look: Look, metric: str) -> float | None:
    """How far the planted instruction moves the mean; None where none was planted."""
    planted, bad = look.scores(metric, "injected"), look.scores(metric, "bad")
    pairs = [(score, bad[clean]) for case, score in planted.items() if (clean := case.replace("/injected", "/bad")) in bad]
    return fmean(a - b for a, b in pairs) if pairs else None


def _remember(past: Store, look: Look, metrics: Sequence[str]) -> tuple[int, str | None, int]:
    """(epoch, why it began, number of examinations) with this one added; a look that saw too little is not."""
    import pyarrow as pa

    count = past.rows()
    known = {row["sequence"]: row for row in past.take([_name(count - 1)]).to_pylist()} if count else {}
    last = known.get(_name(count - 1))
    usable = all(len(look.scores(metric, "good", "bad")) >= ENOUGH * _cases(look, metric) for metric in metrics)
    if not usable:
        return (last["epoch"], last["moved"], count) if last else (0, None, count)
    epoch, moved, since = 0, None, count
    if last:
        began = past.take([_name(last["since"])]).to_pylist()[0]
        why = _moved(began, look, metrics)
        epoch, moved, since = (last["epoch"] + 1, why, count) if why else (last["epoch"], last["moved"], last["since"])
    row = {
        "sequence": _name(count),
        "epoch": epoch,
        "since": since,
        "moved": moved,
        "scores": json.dumps({metric: look.scores(metric, "good", "bad") for metric in metrics}),
        "noise": json.dumps({metric: look.noise(metric) for metric in metrics}),
        "model": look.model,
    }
    kinds = {"epoch": pa.int64(), "since": pa.int64()}
    past.append(pa.Table.from_pylist([row], pa.schema([(name, kinds.get(name, pa.string())) for name in row])))
    return epoch, moved, count + 1


def _name(number: int) -> str:
    return f"{number:09d}"


def _cases(look: Look, metric: str) -> int:
    return sum(trial.metric == metric and trial.side != "injected" for trial in look.trials)


def _moved(began: Mapping[str, Any], look: Look, metrics: Sequence[str]) -> str | None:
    """Why this is not the judge of the epoch's beginning, or None. Compared are the anchors that both looks saw."""
    if look.model != began["model"]:
        return f"the service now says that its model is {look.model or 'unknown'}, it was {began['model'] or 'unknown'}"
    then, noise = json.loads(began["scores"]), json.loads(began["noise"])
    for metric in metrics:
        now, before = look.scores(metric, "good", "bad"), then.get(metric, {})
        shared = sorted(now.keys() & before.keys())
        if len({case.split("/")[0] for case in shared}) < FEWEST:
            return f"fewer than {FEWEST} anchors are the same, so that nothing shows whether the judge is"
        apart = fmean(abs(now[case] - before[case]) for case in shared)
        floor = max(look.noise(metric), noise.get(metric, 0.0))
        if apart > floor:
            return f"on {len(shared)} anchor cases {metric} is {apart:.2f} from what it was, its noise is {floor:.2f}"
    return None


def _facts(look: Look, metric: str) -> dict[str, Any]:
    found: dict[str, float | None] = {f"{metric}_noise": look.noise(metric), f"{metric}_injection_shift": _shift(look, metric)}
    for side in ("good", "bad"):
        scores = look.scores(metric, side)
        found[f"{metric}_{side}"] = fmean(scores.values()) if scores else None
    return {name: round(value, 4) for name, value in found.items() if value is not None}


def _table(look: Look):
    import pyarrow as pa

    rows = []
    for trial in look.trials:
        key = (trial.metric, trial.case.id)
        first, second = look.first[key], look.second.get(key)
        scores = {"score": None if isinstance(first, str) else first, "again": None if isinstance(second, str) else second}
        error = next((outcome for outcome in (first, second) if isinstance(outcome, str)), None)
        rows.append(
            {"anchor": trial.case.id, "question": trial.case.question, "metric": trial.metric, **scores, "error": error}
        )
    kinds = {"score": pa.float64(), "again": pa.float64()}
    names = ("anchor", "question", "metric", "score", "again", "error")
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.string())) for name in names]))
