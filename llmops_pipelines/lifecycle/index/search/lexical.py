"""Texts as BM25 term weights (Robertson and Zaragoza 2009), which an engine stores as sparse vectors and multiplies with IDF.

A weight depends on its text alone: the length that BM25 compares with is a constant, so a changed corpus rewrites nothing.
Terms are word stems, and pairs of neighbouring stems: 'solar panel' in a passage says more than both words apart.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ..engines.contract import Sparse

if TYPE_CHECKING:
    import numpy as np
    from qdrant_edge import Bm25

CODE = "lexical-1"
LIBRARIES = ("qdrant-edge-py",)  # its stop words, stemmers and term ids
K1, B = 0.9, 0.4  # for passages, as in Anserini (Yang, Fang and Lin 2017); 1.2 and 0.75 are for whole articles
USUAL_TERMS = 60  # stems of a passage without stop words; a corpus of other lengths shifts K1 a little
PAIR_WEIGHT = 0.3  # of a pair of stems in a question, beside 1 for a stem
REMEMBERED = 500_000  # words per language whose stems are kept; a passage is mostly words seen before
LONGEST = 64  # characters of a word worth remembering; longer ones are data
_TEXTS_AT_ONCE = 1_000
_ID_BITS = 31  # term ids of the library
_WORD = re.compile(r"\w+")


def document_vectors(texts: Sequence[str], language: str | Sequence[str] = "en") -> list[Sparse]:
    """Term weights of passages. `language` is an ISO 639-1 code for all or one for each; an unknown one is not stemmed."""
    languages = [language] * len(texts) if isinstance(language, str) else language
    if len(languages) != len(texts):
        raise ValueError(f"{len(texts)} texts, but {len(languages)} languages")
    rows = zip(texts, languages, strict=True)
    vectors: list[Sparse] = []
    while batch := list(islice(rows, _TEXTS_AT_ONCE)):
        vectors += _weighted([_stems(text, code) for text, code in batch])
    return vectors


def question_vectors(texts: Sequence[str], language: str | Iterable[str] = "en") -> list[Sparse]:
    """Terms of questions. With several languages: the terms in each of them, for a corpus that is mixed."""
    languages = [language] if isinstance(language, str) else sorted(set(language))
    return [_asked([_stems(text, code) for code in languages]) for text in texts]


def identity() -> dict[str, Any]:
    """What decides the stored numbers: weights of another identity do not belong in the same collection."""
    return {"code": CODE, "k1": K1, "b": B, "usual_terms": USUAL_TERMS}


def _weighted(rows: list[list[int]]) -> Iterator[Sparse]:
    import numpy as np

    lengths = np.array([len(row) for row in rows])
    owner = np.repeat(np.arange(len(rows)), lengths)
    stems = np.fromiter(chain.from_iterable(rows), np.int64, count=int(lengths.sum()))
    inside = owner[1:] == owner[:-1]
    pairs = _pairs(stems[:-1], stems[1:])[inside]
    keys = np.concatenate([stems | owner << _ID_BITS, pairs | owner[1:][inside] << _ID_BITS])
    keys, counts = np.unique(keys, return_counts=True)
    at = keys >> _ID_BITS
    values = counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths[at] / USUAL_TERMS))
    ends = np.searchsorted(at, np.arange(len(rows) + 1))
    ids, weights = (keys & (1 << _ID_BITS) - 1).tolist(), values.tolist()
    return (Sparse(ids[start:end], weights[start:end]) for start, end in zip(ends[:-1], ends[1:], strict=True))


def _asked(readings: list[list[int]]) -> Sparse:
    import numpy as np

    weights: dict[int, float] = {}
    for row in readings:
        stems = np.array(row, np.int64)
        weights |= dict.fromkeys(_pairs(stems[:-1], stems[1:]).tolist(), PAIR_WEIGHT)
    weights |= dict.fromkeys(chain.from_iterable(readings), 1.0)
    ids = sorted(weights)
    return Sparse(ids, [weights[term] for term in ids])


def _pairs(first: "np.ndarray", second: "np.ndarray") -> "np.ndarray":
    """An id for each pair in this order, spread over the same range as the ids of stems."""
    mixed = (first * 0x9E3779B1 ^ second * 0x85EBCA6B) & 0xFFFFFFFFFFFF
    return (mixed ^ mixed >> 17) & (1 << _ID_BITS) - 1


def _stems(text: str, language: str) -> list[int]:
    """Ids of the stems in order, without stop words."""
    return list(chain.from_iterable(map(_vocabulary(language).__getitem__, _WORD.findall(text.casefold()))))


class _Vocabulary(dict[str, tuple[int, ...]]):
    """Word to the ids of its stems, asked once: none for a stop word, several for a run of words without spaces."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._plain, self._folding = _model(language, folding=False), _model(language, folding=True)

    def __missing__(self, word: str) -> tuple[int, ...]:
        # Accents go after the stop words: 'été' is one, and 'ete' is not.
        found = tuple(self._folding.embed_query(word).indices) if self._plain.embed_query(word).indices else ()
        if len(word) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[word] = found
        return found


@lru_cache(maxsize=16)
def _vocabulary(language: str) -> _Vocabulary:
    return _Vocabulary(language)


def _model(language: str, folding: bool) -> "Bm25":
    from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, StopwordsSet, TokenizerType

    known: dict[str, Any] = {"tokenizer": TokenizerType.Multilingual, "lowercase": True, "ascii_folding": folding}
    try:
        return Bm25(Bm25Config(language=language, **known))
    except ValueError:  # undetermined, or a language without stop words there: words as they are
        return Bm25(Bm25Config(stopwords=StopwordsSet(), stemmer=DisabledStemmer(), **known))
