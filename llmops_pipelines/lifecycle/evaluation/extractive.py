"""Answers without a language model: the phrase of the best sentence that fits the kind of question, or none.

The lowest step of the ladder and the one that a model has to beat. Rules and word counts only: the same passages give the
same answer, on any machine. Question words are English; in other languages the best sentence still counts.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from llmops_pipelines.lifecycle.datasets.sentences import DATE, NAME, PERSON, QUANTITY, TIME

CODE = "extractive-1"
LEAST_SUPPORT = 0.3  # share of the question's words, by weight, that the passage must hold
MOST_WORDS = 10  # of a phrase
TOP = 3  # sentences that phrases are taken from
BESIDE = 0.4  # what a question's word counts that stands in the passage, but not in the sentence
IN_TITLE = 0.6  # what one counts in a sentence that stands in the title, too: all sentences are about that
LATER = 0.05  # what each place in the ranking costs a passage's sentences
FITS = 1.5  # what a phrase of the asked kind is worth, in words of usual weight
NEAR = 4.0  # words of distance at which a question's word counts half for a phrase

STOP = frozenset(
    re.findall(
        r"\w+",
        """a an the of in on at by for from to with and or but as is are was were be been being has have had may might must can
        could will would shall should do does did done it its this that these those there here he she they them his her their
        we our us you your i my me who whom whose what which when where why how many much if than then so not no any some each
        per into about up out over called name named happen happens""",
    )
)
KINDS: tuple[tuple[str, str], ...] = (  # the first that is found in the question decides
    ("when", r"^(?:\w+ ){0,2}?when\b|\b(?:what|which) (?:year|month|date|day|time|hour|decade)\b|\bhow soon\b"),
    (
        "amount",
        r"\bhow (?:many|much|long|far|wide|tall|high|deep|old|fast|heavy|big|large|often|thick|close)\b"
        r"|\b(?:what|which|whose|the) (?:\w+ ){0,3}?(?:speed|price|cost|weight|height|length|depth|limit|fee|number|share|rate"
        r"|percentage|amount|population|area|distance|size|charge|deposit|surcharge|levy|gradient)\b"
        r"|\bwhat (?:does|did|do|is) .* (?:cost|costs|worth|weigh)\b",
    ),
    (
        "who",
        r"^(?:\w+ ){0,2}?who(?:m|se)?\b|\bwhich (?:man|woman|person|king|queen|artist|captain|author|president|actor)\b",
    ),
    (
        "where",
        r"^(?:\w+ ){0,2}?where\b|\b(?:what|which) (?:\w+ )?(?:island|city|town|country|place|street|state|river|region)\b",
    ),
)
PLACE = r"(?:in|at|on|near|beside|behind|under|inside|outside|below|above|from|to) (?:the |a |an )?[\w'’-]+(?: [\w'’-]+){0,3}"
NOUN = r"(?: (?!(?:a|an|the|of|in|on|at|by|for|from|to|with|and|or|but|as|is|are|was|were|that|which|who)\b)[a-z][\w-]*){0,2}"
PHRASES = {
    "when": rf"{TIME}(?: to {TIME})?|(?:first|second|third|fourth|last) [A-Z]\w+day of [A-Z]\w+|{DATE}(?:,? \d{{4}})?",
    "amount": rf"(?<![\d,.:-]){QUANTITY}(?: (?:hundred|thousand|million|billion))?(?:%|{NOUN})",
    "who": rf"(?:(?:Captain|Dr|King|Queen|President|Professor|Sir) )?{PERSON}|{NAME}|[A-Z][a-z]{{2,}}",
    "where": rf"{PLACE}|{NAME}",
}
CUT = (
    r"[,;:()\[\]|\"“”–—]|\.(?!\d)"
    r"|\b(?:is|are|was|were|be|been|has|have|had|called|named|and|but|which|that|who|when|while|because|by)\b"
)
LOOSE = "(?:a|an|the|of|in|on|at|by|for|from|to|with|and|or|as|it|its|also|not|beside|behind|near|under)"
EDGE = re.compile(rf"^(?:{LOOSE}\s+)+", re.IGNORECASE)
TAIL = re.compile(rf"(?:\s+{LOOSE})+$", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """A sentence, table row or heading of a passage, and how much of the question it and its passage hold."""

    text: str
    score: float
    support: float


def extract(question: str, passages: Sequence[str], about: Sequence[str] = ()) -> str | None:
    """The best phrase, verbatim from a passage; None when no passage speaks of what is asked.

    `about` are titles and headings, one text per passage: a word of the question that stands there is no missing word.
    """
    asked = terms(question)
    ranked = sorted(_judged(asked, passages, about or [""] * len(passages)), key=lambda each: -each.score)
    if not ranked or ranked[0].support < LEAST_SUPPORT:
        return None
    kind = kind_of(question)
    found = [
        (sentence.score + _near(sentence.text, start, end, asked) + fits, sentence.text[start:end])
        for sentence in ranked[:TOP]
        for start, end, fits in _phrases(sentence.text, kind, asked)
    ]
    return max(found, key=lambda each: each[0])[1] if found else ranked[0].text


def kind_of(question: str) -> str:
    """when, amount, who, where, or what for all others."""
    lower = question.casefold()
    return next((kind for kind, pattern in KINDS if re.search(pattern, lower)), "what")


def _judged(asked: set[str], passages: Sequence[str], about: Sequence[str]) -> Iterator[Sentence]:
    sentences = [(rank, text) for rank, passage in enumerate(passages) for text in _sentences(passage)]
    held = [terms(text) for _, text in sentences]
    titles = [terms(title) for title in about]
    whole = [terms(passage) | title for passage, title in zip(passages, titles, strict=True)]
    counts = Counter(term for found in held for term in found & asked)
    weight = {term: math.log(1 + len(sentences) / (1 + counts[term])) for term in asked}
    total = sum(weight.values())
    for (rank, text), found in zip(sentences, held, strict=True):
        here = sum(weight[term] * (IN_TITLE if term in titles[rank] else 1.0) for term in asked & found)
        beside = sum(weight[term] for term in asked & whole[rank] - found)
        support = sum(weight[term] for term in asked & whole[rank]) / total if total else 0.0
        usual = total / len(asked) if asked else 1.0
        yield Sentence(text, (here + BESIDE * beside) / usual - LATER * rank, support)


def _phrases(text: str, kind: str, asked: set[str]) -> Iterator[tuple[int, int, float]]:
    """(start, end, how well it fits the kind) of phrases that say something the question does not."""
    for match in re.finditer(PHRASES[kind], text) if kind in PHRASES else ():
        if terms(match.group()) - asked:
            phrase = TAIL.sub("", match.group())
            alone = kind in ("who", "where") and " " not in phrase  # often just the first word of a sentence
            yield match.start(), match.start() + len(phrase), FITS / 2 if alone else FITS
    bounds = [0, *(place for match in re.finditer(CUT, text) for place in match.span()), len(text)]
    words = [(m.start(), m.end()) for m in re.finditer(r"[\w'’-]+", text) if _stem(m.group().casefold()) in asked]
    bounds = sorted({*bounds, *(place for word in words for place in word)})
    for start, end in zip(bounds, bounds[1:], strict=False):
        part = text[start:end]
        lead = len(part) - len(part.lstrip())
        body = part.strip()
        edge = EDGE.match(body + " ")
        skip = min(edge.end(), len(body)) if edge else 0
        body = TAIL.sub("", body[skip:]).rstrip(" .,;:-")
        first = start + lead + skip
        if terms(body) - asked and len(body.split()) <= MOST_WORDS:
            yield first, first + len(body), 0.0


def _near(text: str, start: int, end: int, asked: set[str]) -> float:
    """How close the question's words stand to a phrase, and that it does not repeat them."""
    near = 0.0
    for match in re.finditer(r"[\w'’-]+", text):
        if _stem(match.group().casefold()) in asked:
            between = text[match.end() : start] if match.end() <= start else text[end : match.start()]
            inside = start <= match.start() < end
            near += -0.5 if inside else 1 / (1 + len(between.split()) / NEAR)
    return near / max(1, len(asked))


def _sentences(passage: str) -> list[str]:
    lines = (line.strip(" \t#*>-•") for line in passage.splitlines())
    return [part.strip() for line in lines for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9\"“'‘])", line) if part.strip()]


def terms(text: str) -> set[str]:
    return {_stem(word) for word in re.findall(r"[\w'’-]+", text.casefold()) if word not in STOP}


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """Plural, possessive and verb endings taken off (after the S stemmer, Harman 1991), enough to meet again."""
    word = re.sub(r"['’]s?$", "", word)
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us")):
            word = word[: -len(ending)] + instead
            break
    return word.rstrip("e") if len(word) > 4 else word
