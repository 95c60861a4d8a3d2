"""Which language a text is in. A document is dropped only on good evidence; numbers and short texts stay undetermined."""

import re
from functools import lru_cache

CODE = "language 1"
LIBRARIES = ("py3langid",)
UNDETERMINED = "und"  # ISO 639-2
LETTERS = 60  # fewer say little
READ_CHARACTERS = 10_000
CERTAIN = 0.95


def detect(text: str) -> str:
    """ISO 639-1 code of the language, or "und" when the text is short, mostly numbers, or the model is not sure."""
    words = re.sub(r"https?://\S+|\[\w+\]|[^\w\s]|[\d_]", " ", text[:READ_CHARACTERS])
    if sum(map(str.isalpha, words)) < LETTERS:
        return UNDETERMINED
    language, probability = _model().classify(" ".join(words.split()))
    return language if probability >= CERTAIN else UNDETERMINED


@lru_cache(maxsize=1)
def _model():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
