"""Questions with known answers and training examples, split by document cluster so that nothing is on both sides.

Models are unknown here but for the teacher that `written.py` asks: the product prompt is the border to training and evaluation.
"""

from .contamination import Remembering, contaminated
from .examples import CODE as _EXAMPLES
from .examples import training_examples
from .feedback import load_feedback
from .json_lines import QuestionsError
from .leaks import leaks
from .lessons import Material, People
from .preferences import CODE as _PREFERENCES
from .preferences import preference_pairs
from .prompts import Prompt, prompt
from .questions import CODE as _QUESTIONS
from .questions import eval_questions, train_side
from .splits import side, sides, sides_of
from .written import CODE as _WRITTEN
from .written import written_pairs

CODES = {
    "eval_questions": _QUESTIONS,
    "training_examples": _EXAMPLES,
    "preference_pairs": _PREFERENCES,
    "written_pairs": _WRITTEN,
}

__all__ = [
    "CODES",
    "Material",
    "People",
    "Prompt",
    "QuestionsError",
    "Remembering",
    "contaminated",
    "eval_questions",
    "leaks",
    "load_feedback",
    "preference_pairs",
    "prompt",
    "side",
    "sides",
    "sides_of",
    "train_side",
    "training_examples",
    "written_pairs",
]
