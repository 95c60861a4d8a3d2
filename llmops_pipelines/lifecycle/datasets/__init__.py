"""Questions with known answers and training examples, split by document cluster so that nothing is on both sides.

Models are unknown here: pairs are made by rules, and the product prompt is the one border to training and evaluation.
"""

from .examples import CODE as _EXAMPLES
from .examples import training_examples
from .leaks import leaks
from .prompts import prompt
from .questions import CODE as _QUESTIONS
from .questions import QuestionsError, eval_questions, train_side
from .splits import side

CODES = {"eval_questions": _QUESTIONS, "training_examples": _EXAMPLES}

__all__ = ["CODES", "QuestionsError", "eval_questions", "leaks", "prompt", "side", "train_side", "training_examples"]
