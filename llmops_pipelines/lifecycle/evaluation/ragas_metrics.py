"""The metrics of ragas that need no language model. A row that fails gives its error, never a missing row or a zero.

ragas' own `evaluate()` is not used: it turns failures into NaN and takes the mean over what survived.
"""

import asyncio
import os
import warnings
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
    reference is a phrase of the answer, after SQuAD normalisation.
    """
    measures = _text_measures()

    async def all_rows() -> dict[str, list[Outcome]]:
        return {
            name: [await _best(measure, answer, group) for answer, group in zip(answers, references, strict=True)]
            for name, measure in measures.items()
        }

    return asyncio.run(all_rows())


def context_outcomes(given: Sequence[Sequence[str]], relevant: Sequence[Sequence[str]]) -> dict[str, list[Outcome]]:
    """Per question: the share of given documents that are relevant, and of relevant documents that are given."""
    precision, recall, sample = _context_measures()

    async def one(metric: Any, got: Sequence[str], wanted: Sequence[str]) -> Outcome:
        row = sample(retrieved_context_ids=list(got), reference_context_ids=list(wanted))
        # The public single_turn_ascore does the same, and puts a file with a user id into the home folder.
        return await _outcome(partial(metric._single_turn_ascore, row, None))

    async def all_rows() -> dict[str, list[Outcome]]:
        metrics = {"context_precision": precision, "context_recall": recall}
        pairs = list(zip(given, relevant, strict=True))
        return {name: [await one(metric, *pair) for pair in pairs] for name, metric in metrics.items()}

    return asyncio.run(all_rows())


async def _best(measure: Measure, answer: str, references: Sequence[str]) -> Outcome:
    """The maximum over all references; one that failed spoils the row, since it might have been the best."""
    outcomes = [await _outcome(partial(measure, reference, answer)) for reference in references]
    errors = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return errors[0] if errors else max(outcomes)


async def _outcome(measure: Callable[[], Awaitable[Any]]) -> Outcome:
    try:
        result = await measure()
        return float(getattr(result, "value", result))
    except Exception as error:  # whatever a foreign metric raises belongs to this one row
        return f"{type(error).__name__}: {error}"[:300]


def _quiet() -> None:
    # ragas reports its use to its makers unless this is set before it is imported.
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"


def _text_measures() -> dict[str, Measure]:
    _quiet()
    from ragas.metrics.collections import BleuScore, NonLLMStringSimilarity, RougeScore, StringPresence

    rouge, similarity, presence = RougeScore(rouge_type="rougeL"), NonLLMStringSimilarity(), StringPresence()
    bleu_score = BleuScore(kwargs={"use_effective_order": True})

    async def bleu(reference: str, response: str) -> Any:
        # ragas cuts at ". " and pairs sentences by position, which fails when "Dr. Hale" meets "Hale".
        return await bleu_score.ascore(reference=reference.replace(". ", " "), response=response.replace(". ", " "))

    async def contains(reference: str, response: str) -> Any:
        return await presence.ascore(reference=f" {normalised(reference)} ", response=f" {normalised(response)} ")

    return {"rouge_l": rouge.ascore, "bleu": bleu, "string_similarity": similarity.ascore, "contains_reference": contains}


def _context_measures() -> tuple[Any, Any, Any]:
    _quiet()
    with warnings.catch_warnings():
        # ragas 0.4 has these two only in the old namespace and calls that deprecated; the named replacement is missing.
        warnings.filterwarnings("ignore", "Importing IDBasedContext", DeprecationWarning)
        from ragas.dataset_schema import SingleTurnSample
        from ragas.metrics import IDBasedContextPrecision, IDBasedContextRecall
    return IDBasedContextPrecision(), IDBasedContextRecall(), SingleTurnSample
