"""Exact match and token F1 as SQuAD defines them (Rajpurkar et al. 2016, arXiv 1606.05250; unanswerable questions after
Rajpurkar et al. 2018, arXiv 1806.03822, with our refusal in the place of the empty answer).

Metrics of libraries are in `ragas_metrics.py`.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence


def normalised(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space; the order of steps is that of the SQuAD script."""
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def exact_match(answer: str, reference: str) -> float:
    return float(normalised(answer) == normalised(reference))


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over tokens; where one side has none, 1.0 only if both have none."""
    said, right = normalised(answer).split(), normalised(reference).split()
    if not said or not right:
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    return 2 * common / (len(said) + len(right))


def best(metric: Callable[[str, str], float], answer: str, references: Sequence[str]) -> float:
    """The highest score over the accepted answers."""
    return max(metric(answer, reference) for reference in references)
