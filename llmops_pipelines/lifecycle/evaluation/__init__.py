"""What the candidates answer, how good that is, and how they compare: what the gate reads.

What a score must be to matter is `release/`.
"""

from .agreement import Agreement, Rating, agreement, judged_answers
from .answers import CODE as _ANSWERS
from .answers import answer
from .bias import CODE as _BIAS
from .bias import probe_bias
from .candidates import EvaluationError, Parts, Spec, weights_of
from .chain import Chain
from .comparison import CODE as _COMPARISON
from .comparison import Comparison, compare, compare_candidates
from .freshness import made_from
from .generation import Generation, Generator
from .harness import CODE as _TASKS
from .harness import task_scores
from .judge import CODE as _JUDGE
from .judge import examine
from .scores import CODE as _SCORES
from .scores import score

CODES = {
    "answers": _ANSWERS,
    "eval_scores": _SCORES,
    "comparison": _COMPARISON,
    "judge": _JUDGE,
    "bias": _BIAS,
    "task_scores": _TASKS,
}

__all__ = [
    "CODES",
    "Agreement",
    "Chain",
    "Comparison",
    "EvaluationError",
    "Generation",
    "Generator",
    "Parts",
    "Rating",
    "Spec",
    "agreement",
    "answer",
    "compare",
    "compare_candidates",
    "examine",
    "judged_answers",
    "made_from",
    "probe_bias",
    "score",
    "task_scores",
    "weights_of",
]
