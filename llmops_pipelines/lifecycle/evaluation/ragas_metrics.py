"""The metrics of ragas that need no language model. A row that fails gives its error, never a missing row or a zero.

ragas' own `evaluate()` is not used: it turns failures into NaN and takes the mean over what survived.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from .text_metrics import normalised

Outcome = float | str  # a score, or what went wrong
Measure = Callable[[str, str], Awaitable[Any]]


def text_outcomes(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, list[Outcome]]:
    """For each metric and answer the best score over its references, each between 0 and 1.

    rouge_l: longest common subsequence F1 (Lin 2004) · bleu: BLEU with effective order, as answers are shorter than
    four words (Papineni et al. 2002) · string_similarity: 1 - normalised Levenshtein distance · contains_reference: the
    reference is a phrase of the answer, after SQuAD normalisation · chrf: F2 over character sequences (Popović 2015).
    """
    measures = _text_measures()

    async def all_rows() -> dict[str, list[Outcome]]:
        return {
            name: [await _best(measure, answer, group) for answer, group in zip(answers, references, strict=True)]
            for name, measure in measures.items()
        }

    return asyncio.run(all_rows())


async def _best(measure: Measure, answer: str, references: Sequence[str]) -> Outcome:
    """The maximum over all references; one that failed spoils the row, since it might have been the best."""
    outcomes = [await outcome_of(partial(measure, reference, answer)) for reference in references]
    errors = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return errors[0] if errors else max(outcomes)


async def outcome_of(measure: Callable[[], Awaitable[Any]]) -> Outcome:
    """The score as it is, finite or not, or the error as text."""
    try:
        result = await measure()
        return float(getattr(result, "value", result))
    except Exception as error:  # whatever a foreign metric raises belongs to this one row
        return f"{type(error).__name__}: {error}"[:300]


def quiet() -> None:
    """To be called before ragas is imported."""
    # ragas reports its use to its makers unless this is set before it is imported.
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"


def _text_measures() -> dict[str, Measure]:
    quiet()
    from ragas.metrics.collections import BleuScore, CHRFScore, NonLLMStringSimilarity, RougeScore, StringPresence

    rouge, similarity, presence = RougeScore(rouge_type="rougeL"), NonLLMStringSimilarity(), StringPresence()
    chrf = CHRFScore()
    bleu_score = BleuScore(kwargs={"use_effective_order": True})

    async def bleu(reference: str, response: str) -> Any:
        # ragas cuts at ". " and pairs sentences by position, which fails when "Dr. Hale" meets "Hale".
        return await bleu_score.ascore(reference=reference.replace(". ", " "), response=response.replace(". ", " "))

    async def contains(reference: str, response: str) -> Any:
        return await presence.ascore(reference=f" {normalised(reference)} ", response=f" {normalised(response)} ")

    return {
        "rouge_l": rouge.ascore,
        "bleu": bleu,
        "chrf": chrf.ascore,
        "string_similarity": similarity.ascore,
        "contains_reference": contains,
    }
