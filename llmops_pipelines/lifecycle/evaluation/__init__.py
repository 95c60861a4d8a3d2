"""What the candidates answer, and how good that is: answers, metrics with intervals, the summary that the gate reads.

A candidate is a base model with or without an adapter, over one index. What a score must be to matter is `release/`.
"""

from .answers import CODE as _ANSWERS
from .answers import EvaluationError, answer
from .generation import Generation, Generator
from .scores import CODE as _SCORES
from .scores import compare, score

CODES = {"answers": _ANSWERS, "eval_scores": _SCORES}

__all__ = ["CODES", "EvaluationError", "Generation", "Generator", "answer", "compare", "score"]
