"""Sentences of a cleaned document with their character offsets, and the phrases that question patterns are built of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .verbs import IRREGULAR_PAST, VERBS


def one_of(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


SMALL = one_of(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
TENS = one_of("twenty thirty forty fifty sixty seventy eighty ninety")
NUMBER_WORD = rf"(?:{TENS}(?:-\w+)?|{SMALL}|one hundred|a hundred|half a)"
MONTH = one_of("January February March April May June July August September October November December")
DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"

YEAR = r"(?:1[4-9]|20)\d\d\b(?!,)"
QUANTITY = rf"(?:(?!{YEAR})\d[\d,]*(?:\.\d+)?(?![\d:])|\b(?i:{NUMBER_WORD})\b)"
SCALED = rf"{QUANTITY}(?: (?:hundred|thousand|million|billion|per cent))?%?"
TIME = r"\b\d{1,2}:\d{2}\b"
DATE = rf"(?:\d{{1,2}} {MONTH}(?: \d{{4}})?|{MONTH} \d{{4}}|\b{YEAR}(?! [a-z]+s\b)|{MONTH}\b|{DAY}s?\b)"
NAME = r"[A-Z][a-z'’]+(?: (?:of |the |de |van )?[A-Z][\w'’-]+)+"
PERSON = r"[A-Z][a-z'’]+ [A-Z][a-z'’]+(?:-[A-Z][a-z]+)?"
HEDGE = r"(?:about |around |some |up to |at least |at most |almost |nearly |only |over |exactly |more than |no more than )?"

FUNCTION = one_of("""a an the of in on at by for from to with and or but as is are was were be been has have had may must can
will it its that which who when where than then before after until since between into over under per each every this
these not above below behind beside inside outside near up down along around round through against off out later
ago none""")
PLAIN_WORD = rf"(?!{FUNCTION}\b)[a-z][\w'’-]*"
NOUNS = rf"(?:{PLAIN_WORD})(?: {PLAIN_WORD})?"

# A subject is short, starts like a noun phrase and holds no finite verb or clause of its own.
LEADS = one_of("""i we you he she it they this that these those there here if when in at on by for from to with as after before
during since until because although while where what who which how but and or so not no nobody its their his her
then once both one such""")
FINITE = one_of(
    "is are was were be must may can will should has have had do does did that which who whom now none "
    + " ".join(IRREGULAR_PAST)
)
WORD = rf"(?!{FINITE}\b)[\w'’-]+"
ARTICLE = "(?:The|An?|Each|Every|All)"
FIRST = rf"(?:{ARTICLE} {WORD}|(?!{ARTICLE}\b)[A-Z][\w'’-]*)"
SUBJECT = rf"(?!(?i:{LEADS}|{NUMBER_WORD})\b)(?P<subject>{FIRST}(?: {WORD}){{0,6}}?)"
BE = r"(?P<be>is|are|was|were)\b"
VERB = rf"(?P<verb>{'|'.join(sorted(VERBS, key=len, reverse=True))})\b"
SHORT_PARTICIPLES = one_of("made set put cut hung laid paid sent lost found won run given taken written worn begun")
PARTICIPLE = rf"(?P<participle>\w+(?:ed|wn|ught|pt|lt|ld)|{SHORT_PARTICIPLES})\b"

BREAK = r"[,.](?!\d)|[;:(–]|\s(?:and|but|which|because|although|so that|when|if|who)\s"


@dataclass(frozen=True)
class Sentence:
    """A sentence and where it starts in its document."""

    text: str
    start: int


def sentences(text: str) -> Iterator[Sentence]:
    """Sentences of running text and lists, 5 to 45 words; headings and table rows are left out."""
    for line in re.finditer(r"[^\n]+", text):
        lead = re.match(r"\s*(?:[-*•]|\d+[.)])?\s*", line.group()).end()
        body = line.group()[lead:].rstrip()
        if body.startswith(("#", "|")) or body.isupper():
            continue
        start = 0
        for end in [*(m.end() for m in re.finditer(r"[.!?](?=\s+[A-Z0-9\"“'‘])", body)), len(body)]:
            skip = len(body[start:end]) - len(body[start:end].lstrip())
            sentence = body[start + skip : end]
            if 5 <= len(sentence.split()) <= 45:
                yield Sentence(sentence, line.start() + lead + start + skip)
            start = end


def inner(phrase: str) -> str:
    """A phrase from the start of a sentence as it reads inside one: "The crew" becomes "the crew", names stay."""
    first, _, others = phrase.partition(" ")
    plain = first in ("The", "A", "An", "Each", "Every", "All") or re.fullmatch(r"[A-Z][a-z]+s", first)
    return phrase[0].lower() + phrase[1:] if plain or (others and others.islower()) else phrase


def clause(rest: str) -> str:
    """The tail of a sentence up to its first break, for use inside a question."""
    return re.split(BREAK, f"{rest} ", maxsplit=1)[0].rstrip()
