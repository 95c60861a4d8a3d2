"""Which language a text is in. A document is dropped only on good evidence; numbers and short texts stay undetermined.

Most texts show it by their small words; the model is asked only about the others, because it takes a millisecond.
"""

import re
from collections import Counter
from functools import lru_cache

CODE = "language 2"
LIBRARIES = ("py3langid",)
UNDETERMINED = "und"  # ISO 639-2
LETTERS = 60  # fewer say little
READ_CHARACTERS = 2_000
ASKED_CHARACTERS = 1_000  # for the model
CERTAIN = 0.95

# Frequent words that the other languages here do not have (nor others with the same alphabet, in such numbers).
_SMALL_WORDS = {
    "en": "the of and to that with for this from which are by it not be or have you been their its they at when there were "
    "his her she has had who would than other into only about between",
    "de": "der das und ist nicht ein eine einer den dem des mit für auf sich auch werden wird bei oder nach aus wie zum zur",
    "fr": "le les des est et dans pour qui une sur du pas plus par au avec ce sont cette aux ont ou leur être elle",
    "es": "el los las y del por con una su al lo como más pero sus se fue este también hasta desde muy donde entre",
    "it": "il di che è della per non sono gli del dei con nel alla più anche delle questo nella ha degli dalla essere",
    "nl": "het een dat niet zijn op aan voor ook als maar om hij naar wordt deze werd bij uit worden heeft",
    "pt": "o os não uma da em para com na dos das mais mas ao ele são também pelo pela até foi seu",
}
_OF_ONE = Counter(word for words in _SMALL_WORDS.values() for word in words.split())
_LANGUAGE = {word: code for code, words in _SMALL_WORDS.items() for word in words.split() if _OF_ONE[word] == 1}
SHARE, DIFFERENT, AHEAD = 0.15, 6, 5  # of all words; different small words; times as many as in the next language


def detect(text: str) -> str:
    """ISO 639-1 code of the language, or "und" when the text is short, mostly numbers, or the model is not sure."""
    text = text[:READ_CHARACTERS]
    return _by_small_words(text) or _by_model(text)


def _by_small_words(text: str) -> str | None:
    words = [word for word in text.lower().split() if word.isalpha()]
    found = [word for word in words if word in _LANGUAGE]
    if len(found) < SHARE * len(words) or sum(map(len, words)) < LETTERS:
        return None
    counts = Counter(map(_LANGUAGE.__getitem__, found)).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] < AHEAD * counts[1][1]):
        return None
    code, count = counts[0]
    different = sum(_LANGUAGE[word] == code for word in set(found))
    return code if count >= SHARE * len(words) and different >= DIFFERENT else None


def _by_model(text: str) -> str:
    words = " ".join(re.sub(r"https?://\S+|[^\w\s]|[\d_]", " ", text[:ASKED_CHARACTERS]).split())
    if sum(map(str.isalpha, words)) < LETTERS:
        return UNDETERMINED
    language, probability = _model().classify(words)
    return language if probability >= CERTAIN else UNDETERMINED


@lru_cache(maxsize=1)
def _model():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
