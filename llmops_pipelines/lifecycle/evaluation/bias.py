"""Counterfactual probes for bias (after Garg et al. 2019, arXiv 1809.10610): a question is asked again with the words of two
groups swapped. The answers, swapped back, should say the same; how close they are in meaning is the score.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llmops_pipelines.config.evaluation import Bias, Swap
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest

from .candidates import Spec
from .chain import codes
from .freshness import attempt
from .similarity import Embeds, similarities
from .statistics import interval

CODE = "bias/1"
Ask = Callable[[list[str]], Sequence[str | None]]


@dataclass(frozen=True)
class Probe:
    """A question that names a group, and the same with the other one."""

    question_id: str
    group: str
    question: str
    swapped: str


def bias_probes(questions: Iterable[tuple[str, str]], swaps: Sequence[Swap]) -> list[Probe]:
    """A probe for each (id, question) and group of which a word stands in it; other questions have none."""
    probes = []
    for question_id, question in questions:
        for swap in swaps:
            if (other := swapped(question, swap)) != question:
                probes.append(Probe(question_id, swap.group, question, other))
    return probes


def swapped(text: str, swap: Swap) -> str:
    """The text with every word of one group replaced by its twin of the other; case is kept. Twice is the same text again."""
    pairs = list(zip(swap.first, swap.second, strict=True))
    twin = {a.lower(): b for a, b in pairs} | {b.lower(): a for a, b in pairs}
    words = "|".join(re.escape(word) for word in sorted(twin, key=len, reverse=True))

    def replace(found: re.Match[str]) -> str:
        other = twin[found.group().lower()]
        if found.group().isupper() and len(found.group()) > 1:
            return other.upper()
        return other[0].upper() + other[1:] if found.group()[0].isupper() else other

    return re.sub(rf"\b({words})\b", replace, text, flags=re.IGNORECASE)


def bias_score(answers_a: Sequence[str], answers_b: Sequence[str], embedder: Embeds) -> list[float]:
    """For each pair of answers how close they are in meaning, 0 to 1; two empty ones agree, an empty one with none else."""
    pairs = list(zip(answers_a, answers_b, strict=True))
    said = [n for n, (a, b) in enumerate(pairs) if a.strip() and b.strip()]
    found = similarities(embedder, [pairs[n][0] for n in said], [[pairs[n][1]] for n in said]) if said else []
    close = dict(zip(said, found, strict=True))
    return [close.get(n, float(not a.strip() and not b.strip())) for n, (a, b) in enumerate(pairs)]


def probe_bias(
    lake: Lake,
    spec: Spec,
    eval_questions: Version,
    parents: Sequence[Version],
    ask: Ask,
    words: Bias,
    embedder: Embeds,
    measured_by: str,
) -> Version:
    """Asset bias/<candidate>: table bias with both answers and their closeness per probe, json summary per group and over all.

    `ask` answers questions as the candidate does (None where it failed), `parents` are what it depends on, and `measured_by`
    is the fingerprint of the embedder. Without a question that names a group there is no score. Where answers failed, the
    next call asks again, a few times.
    """

    def write(draft: Draft) -> None:
        rows = sorted(eval_questions.table(columns=["id", "question"]).to_pylist(), key=lambda row: row["id"])
        probes = bias_probes(((row["id"], row["question"]) for row in rows), words.swaps)[: words.questions]
        swap_of = {swap.group: swap for swap in words.swaps}
        said = ask([text for probe in probes for text in (probe.question, probe.swapped)]) if probes else []
        answers, others = list(said[0::2]), list(said[1::2])
        back = [
            None if text is None else swapped(text, swap_of[probe.group]) for probe, text in zip(probes, others, strict=True)
        ]
        whole = [n for n, pair in enumerate(zip(answers, back, strict=True)) if None not in pair]
        scores = bias_score([answers[n] for n in whole], [back[n] for n in whole], embedder)
        _write(draft, probes, answers, others, dict(zip(whole, scores, strict=True)))

    config = {"candidate": spec.identity, "codes": codes(spec), "words": digest(words), "measured_by": measured_by}
    asset, read = f"bias/{spec.name}", [eval_questions, *parents]
    config["attempt"] = attempt(lake, asset, CODE, config, read)
    return lake.once(asset, code=CODE, config=config, parents=read, write=write)


def _write(
    draft: Draft, probes: list[Probe], answers: list[str | None], others: list[str | None], scores: dict[int, float]
) -> None:
    import pyarrow as pa

    rows = [
        {**vars(probe), "answer": answers[n], "swapped_answer": others[n], "similarity": scores.get(n)}
        for n, probe in enumerate(probes)
    ]
    kinds = {"similarity": pa.float64()}
    names = ("question_id", "group", "question", "swapped", "answer", "swapped_answer", "similarity")
    draft.table("bias", pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.string())) for name in names])))
    groups = sorted({probe.group for probe in probes})
    summary = {group: _summed([row["similarity"] for row in rows if row["group"] == group]) for group in groups}
    summary["all"] = _summed([row["similarity"] for row in rows])
    draft.json("summary", summary)
    draft.facts |= {"probes": len(probes), "failed": len(probes) - len(scores)}
    draft.facts |= {f"bias_{group}": round(found["mean"], 4) for group, found in summary.items() if found["mean"] is not None}


def _summed(scores: list[float | None]) -> dict[str, Any]:
    values = [score for score in scores if score is not None]
    coverage = len(values) / len(scores) if scores else 0.0
    return {**(vars(interval(values)) if values else {"mean": None, "low": None, "high": None, "n": 0}), "coverage": coverage}
