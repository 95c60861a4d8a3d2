"""Question-answer pairs made from a document by rules: each pattern reads one sentence and asks for a span of it.

A pattern is one small function named after what it asks; its name is the origin of the pairs. Answers are verbatim spans
of 1 to 6 words. Better no question than an odd one; `cloze` comes last and takes what the others leave.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .sentences import (
    BE,
    DATE,
    HEDGE,
    NAME,
    NOUNS,
    PARTICIPLE,
    PERSON,
    PLAIN_WORD,
    QUANTITY,
    SCALED,
    SUBJECT,
    TIME,
    VERB,
    Sentence,
    clause,
    inner,
    sentences,
)
from .verbs import VERBS

CAPITALS = r"(?:the )?[A-Z][\w'’]*(?: (?:and |of )?[A-Z][\w'’]*)*"
MONEY = rf"{SCALED} (?:kr|crowns)"
NOT_TIME = rf"(?!(?:last|first|next)\b|{DATE}|{QUANTITY})"
PLACE = rf"(?:the |a |an )?{NOT_TIME}[\w'’-]+(?: (?:{PLAIN_WORD}|[A-Z][a-z]+)){{0,2}}(?: of (?:the )?[\w'’-]+)?"
PLACE = rf"(?:in|on|at|under|beside|behind|near|above|below|inside|outside) {PLACE}"
RANK = "(?:Captain|Dr|Mr|Mrs|Ms)"
MOST_WORDS = 6
PER_SENTENCE = 2


@dataclass(frozen=True)
class Pair:
    """A question and its answer, which is `text[start:end]` of the document."""

    question: str
    answer: str
    start: int
    end: int
    origin: str


Asked = tuple[str, re.Match[str]]  # a question, and the match whose group "answer" answers it
Pattern = Callable[[str], Iterator[Asked]]


def count_there(text: str) -> Iterator[Asked]:
    """There are two battery rooms in the hull. -> How many battery rooms are there in the hull?"""
    if m := re.match(rf"There {BE} {HEDGE}(?P<answer>{QUANTITY}) (?P<noun>{NOUNS})(?P<rest>.*)", text):
        yield f"How many {m['noun']} {m['be']} there{clause(m['rest'])}?", m


def count_subject(text: str) -> Iterator[Asked]:
    """Two places are held on every sailing. -> How many places are held on every sailing?"""
    if m := re.match(rf"{HEDGE}(?P<answer>{QUANTITY}) (?P<noun>{NOUNS}) (?P<rest>.*)", text):
        rest = clause(m["rest"])
        if re.search(rf" {BE}|\b(?:must|may|can|will|have|had)\b| {VERB}", f" {rest}") and len(rest.split()) >= 2:
            yield f"How many {m['noun']} {rest}?", m


def count_modal(text: str) -> Iterator[Asked]:
    """New masters must complete twelve berthings. -> How many berthings must new masters complete?"""
    modal = r"(?P<modal>must|may|can|will|should)"
    numbered = rf"(?P<verb>\w+(?: \w+)?) {HEDGE}(?P<answer>{QUANTITY}) (?P<noun>{NOUNS})(?P<rest>.*)"
    if m := re.match(rf"{SUBJECT} {modal} {numbered}", text):
        yield f"How many {m['noun']} {m['modal']} {inner(m['subject'])} {m['verb']}{clause(m['rest'])}?", m


def count_verb(text: str) -> Iterator[Asked]:
    """The office handled 14,380 ship movements in 2030. -> How many ship movements did the office handle in 2030?"""
    if m := re.match(rf"{SUBJECT} {VERB} {HEDGE}(?P<answer>{QUANTITY}) (?P<noun>{NOUNS})(?P<rest>.*)", text):
        helper, verb = VERBS[m["verb"]]
        yield f"How many {m['noun']} {helper} {inner(m['subject'])} {verb}{clause(m['rest'])}?", m


def measure(text: str) -> Iterator[Asked]:
    """The boom is 320 metres long. -> How long is the boom?"""
    adjective = r"(?P<adjective>long|high|wide|deep|old|tall|thick|heavy)\b"
    if m := re.search(rf"(?:^|, )(?:and )?{SUBJECT} {BE} {HEDGE}(?P<answer>{SCALED} {NOUNS}) {adjective}", text):
        yield f"How {m['adjective']} {m['be']} {inner(m['subject'])}?", m


def value(text: str) -> Iterator[Asked]:
    """The limit in the inner basin is four knots. -> What is the limit in the inner basin?"""
    number = rf"{SCALED}(?: {NOUNS})?"
    if m := re.match(rf"{SUBJECT} {BE} {HEDGE}(?P<answer>{number}|{NAME})(?=[.,;]| (?:and|for|in|on|at|per|a)\b)", text):
        asks = "Who" if re.fullmatch(rf"(?:Captain |Dr )?{PERSON}", m["answer"]) else "What"
        yield f"{asks} {m['be']} {inner(m['subject'])}?", m


def name(text: str) -> Iterator[Asked]:
    """The battery rooms are called Salt and Pepper. -> What are the battery rooms called?"""
    if m := re.match(rf"{SUBJECT} {BE} (?P<how>called|named|known as) (?P<answer>{CAPITALS})", text):
        yield f"What {m['be']} {inner(m['subject'])} {m['how']}?", m


def role(text: str) -> Iterator[Asked]:
    """It goes to the quay foreman, Bertil Sand, before noon. -> Who is the quay foreman?"""
    title = r"(?P<role>[Tt]he (?!\w+est\b)(?:[a-z-]+ ){0,3}[a-z-]+(?: of [A-Z]?[\w-]+(?: [a-z-]+)?)?)"
    for m in re.finditer(rf"\b{title}, (?P<answer>(?:Captain |Dr )?{PERSON})(?=[,.])", text):
        yield f"Who is {inner(m['role'])}?", m
    for m in re.finditer(rf"(?P<answer>(?:Captain |Dr )?{PERSON})(?:,| is| was) {title}(?=[,.])", text):
        yield f"Who is {m['role']}?", m


def who(text: str) -> Iterator[Asked]:
    """Oswin Prell introduced the slow-speed rule in the basin. -> Who introduced the slow-speed rule in the basin?"""
    person = rf"(?P<answer>(?:{RANK} [A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)|(?!The ){PERSON})"
    if m := re.match(rf"{person} (?P<rest>(?P<is>is|was|has been) .*|{VERB}.*)", text):
        rest = clause(m["rest"])
        if len(rest.split()) >= 3:  # ships and rocks have two names as well, and of these something *is* told
            yield f"{'What' if m['is'] and not re.match(RANK, text) else 'Who'} {rest}?", m


def by_whom(text: str) -> Iterator[Asked]:
    """The chime was composed by pupils of the music class. -> By whom was the chime composed?"""
    agent = rf"(?P<answer>{PERSON}|(?:the )?{NOUNS}(?: of (?:the )?[\w'’]+)?)"
    if m := re.match(rf"{SUBJECT} {BE} (?:\w+ly )?{PARTICIPLE} by {agent}(?=[.,;]| (?:and|in|on|at|when)\b)", text):
        asks = "whom" if re.search(r"^[A-Z]|s$", m["answer"]) else "what"
        yield f"By {asks} {m['be']} {inner(m['subject'])} {m['participle']}?", m


def when(text: str) -> Iterator[Asked]:
    """The wall was finished in October 1991. -> When was the wall finished?"""
    at = rf"(?:in|on|at|from|until|since|before|after|by) (?:the (?:spring|summer|autumn|winter) of )?(?P<answer>{DATE}|{TIME})"
    later = r"(?P<subject>(?:the|a|[A-Z]\w+)(?: [\w'’-]+){0,4}?)"
    verb = VERB.replace("|has|", "|").replace("|have|", "|").replace("|had", "")  # "has worked since" needs another question
    if m := re.match(rf"{SUBJECT} {BE} (?:\w+ly )?{PARTICIPLE}(?P<rest>[^,;.]*?) {at}", text):
        yield f"When {m['be']} {inner(m['subject'])} {m['participle']}{m['rest']}?", m
    elif m := re.match(rf"{SUBJECT} {verb}(?P<rest>(?:(?! (?:is|are|was|were) )[^,;.])*?) {at}", text):
        helper, verb = VERBS[m["verb"]]
        yield f"When {helper} {inner(m['subject'])} {verb}{m['rest']}?", m
    elif m := re.match(rf"(?:In|On|At|Since|Until) (?P<answer>{DATE}|{TIME}),? {later} {BE} (?P<rest>.*)", text):
        yield f"When {m['be']} {m['subject']} {clause(m['rest'])}?", m


def where(text: str) -> Iterator[Asked]:
    """The hand cable is stored in the yellow chest. -> Where is the hand cable stored?"""
    end = r"(?=[.,;]| )"
    stands = "(?P<verb>stands?|stood|lies?|lay|hangs?|hung|lives?|lived|sits?|works?|worked|ends?|starts?)"
    if m := re.match(rf"{SUBJECT} {BE} (?:\w+ly )?{PARTICIPLE} (?P<answer>{PLACE}){end}", text):
        yield f"Where {m['be']} {inner(m['subject'])} {m['participle']}?", m
    elif m := re.match(rf"{SUBJECT} {stands} (?P<answer>{PLACE}){end}", text):
        helper, verb = VERBS[m["verb"]]
        yield f"Where {helper} {inner(m['subject'])} {verb}?", m


def how_much(text: str) -> Iterator[Asked]:
    """He paid a fine of 2,500 kr. -> How much is the fine?"""
    sum_of = r"\ba (?P<noun>fee|fine|price|cost|grant|deposit|fare|payment|charge) of"
    for m in re.finditer(rf"{sum_of} (?P<answer>{MONEY})", text):
        yield f"How much is the {m['noun']}?", m
    if m := re.match(rf"{SUBJECT} (?P<verb>costs?|cost) {HEDGE}(?P<answer>{MONEY})", text):
        yield f"How much does {inner(m['subject'])} cost?", m


def in_place(text: str) -> Iterator[Asked]:
    """The water rose 2.3 metres above high tide. -> The water rose how many metres above high tide?"""
    if re.match(r"(?i:he|she|it|they|this|these|there|if|when)\b", text):
        return
    for m in re.finditer(rf"(?P<head>.{{12,}}?)(?<!\w)(?P<answer>{QUANTITY}) (?P<rest>{NOUNS}\b.*)", text):
        if "," not in m["head"]:
            yield f"{m['head'].rstrip()} how many {clause(m['rest'])}?", m


def cloze(text: str) -> Iterator[Asked]:
    """The level rose 2.3 metres above the tide. -> Complete: The level rose"""
    for m in re.finditer(rf"(?P<answer>{TIME}|{DATE}|{SCALED}(?: {NOUNS})?|{NAME})", text):
        head = text[: m.start()].rstrip()
        if len(head.split()) >= 4:
            yield f"Complete: {head}", m


PATTERNS: tuple[Pattern, ...] = (
    *(role, name, who, when, where, measure, how_much, value),
    *(count_there, count_subject, count_modal, count_verb, by_whom, in_place, cloze),
)
LAST = {"in_place": 1, "cloze": 2}  # used only where the natural questions leave room


def field(text: str, title: str) -> Iterator[Pair]:
    """Rows of two-column tables and `Key: value` lines. | Call sign | SKFU7 | -> What is the call sign of MV Fulmar?"""
    row = r"^\| *(?P<k1>[A-Z][\w ]{2,30}?) *\| *(?P<v1>[^|\n]+?) *\|[ \t]*$"
    line = r"^(?:[-*] )?\**(?P<k2>[A-Z][\w ]{2,30}?)\**:\**[ \t]+(?P<v2>[^\n|]+?)\.?[ \t]*$"
    for m in re.finditer(f"{row}|{line}", text, re.MULTILINE):
        key, group = (m["k1"], "v1") if m["k1"] else (m["k2"], "v2")
        below = text[m.end() : m.end() + 8].lstrip()
        if _short(m[group]) and not below.startswith(("|-", "| -", "|:")):  # a line of dashes follows the column names
            be = "are" if re.search("[^s]s$", key) else "is"
            yield Pair(f"What {be} the {key.lower()} of {title}?", m[group], m.start(group), m.end(group), "field")


def pairs(text: str, title: str, limit: int) -> list[Pair]:
    """At most `limit` pairs of a cleaned document, as many different origins as it has. The same text gives the same pairs."""
    found: list[Pair] = list(field(text, title))
    for sentence in sentences(text):
        found += _of_sentence(sentence)
    unique = {pair.question.casefold(): pair for pair in reversed(found)}
    queues: dict[str, list[Pair]] = {}
    for pair in sorted(unique.values(), key=lambda pair: hashlib.sha256(pair.question.encode()).digest()):
        queues.setdefault(pair.origin, []).append(pair)
    chosen: list[Pair] = []
    for rank in (0, 1, 2):
        turn = {origin: queue for origin, queue in sorted(queues.items()) if LAST.get(origin, 0) == rank}
        while any(turn.values()) and len(chosen) < limit:
            chosen += [queue.pop() for queue in turn.values() if queue]
    return sorted(chosen[:limit], key=lambda pair: (pair.start, pair.question))


def _of_sentence(sentence: Sentence) -> list[Pair]:
    found: list[Pair] = []
    for pattern in PATTERNS:
        for question, m in pattern(sentence.text):
            start, end = m.span("answer")
            answer = sentence.text[start:end].rstrip(",;:'’")
            free = not any(start + sentence.start < other.end and other.start < end + sentence.start for other in found)
            if _short(answer) and free and len(found) < PER_SENTENCE:
                place = sentence.start + start
                found.append(Pair(question, answer, place, place + len(answer), pattern.__name__))
    return found


def _short(answer: str) -> bool:
    return 1 <= len(answer.split()) <= MOST_WORDS
