"""Drills: invented passages with questions whose answers are spans of them, and cloze questions over real text.

A drill teaches a small model to find the sentence a question is about and to copy a part of it. All of it follows from the
seed. What a drill may state is in `frames.py`; tokens, batches and training are in `train.py`.
"""

import random
import re
from dataclasses import dataclass

from llmops_pipelines.lifecycle.datasets.pairs import pairs as questions_by_rule
from llmops_pipelines.lifecycle.training.bootstrap.frames import Frame, parse_frames
from llmops_pipelines.lifecycle.training.bootstrap.words import (
    ADJECTIVES,
    CODAS,
    COLOURS,
    GROUPS,
    HAPPENINGS,
    MONTHS,
    NOUNS,
    ONSETS,
    PLURALS,
    ROLES,
    SMALL,
    STARTERS,
    STUFF,
    VERBS,
    VOWELS,
)

# Never the product's prompt: fine-tuning has to be what teaches that format.
LAYOUTS = (("", "\n? ", "\n="), ("<< ", " >>\nAsked: ", "\nFound:"), ("# Notes\n", "\n* ", " ->"))

UNITS = {
    "metres": ["metres"],
    "duration": ["minutes", "hours", "days", "weeks", "months", "years"],
    "power": ["kW", "kilowatts", "volts"],
    "speed": ["knots", "km an hour"],
    "weight": ["tonnes", "kg", "kilograms"],
    "percent": ["per cent", "%"],
}
LETTERS = "ABCDEKLMRST"
PLACE_TAILS = ["", "", "", " Bay", " Quay", " Head", " Pier", " Haven", " Point", " Ness", " Slip", " Rock"]


@dataclass(frozen=True)
class Drill:
    """A passage and questions on it; each answer is a verbatim span of the passage."""

    context: str
    questions: tuple[tuple[str, str], ...]


@dataclass
class Fact:
    """A frame with its slots filled, and the sentence that states it."""

    frame: Frame
    values: dict[str, str]
    sentence: str = ""


def name(rng: random.Random) -> str:
    """An invented proper name of one to three syllables."""
    count = rng.choices((1, 2, 3), (2, 6, 1))[0]
    text = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count))
    return (text + (rng.choice(CODAS) if rng.random() < 0.7 else "")).capitalize()


def number(rng: random.Random, digits: int) -> str:
    """A number of up to `digits` digits, as people write it."""
    value = rng.randrange(1, 10 ** rng.randint(1, digits))
    return f"{value:,}" if rng.random() < 0.8 else str(value)


def thing(rng: random.Random) -> str:
    """An invented object, without an article."""
    noun, kind = rng.choice(NOUNS), rng.random()
    if kind < 0.3:
        return f"{name(rng)} {noun}"
    if kind < 0.55:
        return f"{rng.choice(ADJECTIVES)} {noun}"
    if kind < 0.7:
        return f"{rng.choice(NOUNS)} {noun}"
    if kind < 0.8:
        return f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {noun}"
    return f"{rng.choice(['MV ', 'SS ', 'yacht ', 'boat '])}{name(rng)}" if kind < 0.9 else f"{noun} at {name(rng)}"


def date(rng: random.Random) -> str:
    """A day, half of the time with its year."""
    day = f"{rng.randint(1, 28)} {rng.choice(MONTHS)}"
    return f"{day} {rng.randint(1990, 2039)}" if rng.random() < 0.5 else day


def code(rng: random.Random) -> str:
    """The number of a form, a channel or a part."""
    plain, short = str(rng.randint(1, 99)), f"{rng.choice(LETTERS)}{rng.randint(1, 99)}"
    return rng.choice([plain, short, f"{rng.choice(LETTERS)}-{rng.randint(1, 999)}"])


def value(rng: random.Random, kind: str) -> str:
    """A fresh value of a slot type used in `frames.py`."""
    if kind in UNITS:
        figure = number(rng, 2 if kind in ("duration", "percent", "speed") else 3)
        if kind == "duration" and rng.random() < 0.3:
            figure = rng.choice(SMALL)
        elif kind in ("metres", "weight", "speed") and rng.random() < 0.3:
            figure += f".{rng.randint(1, 9)}"
        return f"{figure} {rng.choice(UNITS[kind])}"
    makers = {
        "thing": lambda: thing(rng),
        "year": lambda: str(rng.randint(1820, 2039)),
        "count": lambda: number(rng, 4),
        "plural": lambda: rng.choice(PLURALS),
        "money": lambda: f"{number(rng, 4)} {rng.choice(['kr', 'crowns'])}",
        "place": lambda: name(rng) + rng.choice(PLACE_TAILS),
        "person": lambda: f"{name(rng)} {name(rng)}",
        "role": lambda: rng.choice(ROLES),
        "clock": lambda: f"{rng.randint(0, 23):02d}:{rng.randrange(0, 60, 5):02d}",
        "date": lambda: date(rng),
        "deed": lambda: f"{rng.choice(VERBS)} the {thing(rng)}",
        "happening": lambda: rng.choice(HAPPENINGS),
        "stuff": lambda: rng.choice(STUFF),
        "colour": lambda: rng.choice(COLOURS),
        "group": lambda: rng.choice(GROUPS),
        "code": lambda: code(rng),
    }
    return makers[kind]()


def capital(text: str) -> str:
    """`text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def fill(template: str, values: dict[str, str]) -> str:
    """A template of `frames.py` with its slots replaced."""
    return capital(re.sub(r"\{(\w)\}", lambda m: values[m.group(1)], template))


def facts(rng: random.Random, frames: list[Frame], count: int) -> list[Fact]:
    """`count` facts that are easy to mix up: one subject with many properties, one property of many subjects, or a mixture."""
    mode, out = rng.random(), []
    subject, chosen = thing(rng), rng.choice(frames)
    about = [f for f in frames if f.slots.get("x") == "thing"]
    rng.shuffle(about)
    for i in range(count):
        same = mode < 0.6 or (mode < 0.8 and i % 2)
        frame = about[i % len(about)] if mode < 0.35 else chosen if same else rng.choice(frames)
        values = {slot: value(rng, kind) for slot, kind in frame.slots.items()}
        if mode < 0.35:
            values["x"] = subject
        elif out and out[-1].frame is frame and len(values) > 2 and rng.random() < 0.5:
            shared = rng.choice(sorted(values))
            values[shared] = out[-1].values[shared]
        fact = Fact(frame, values)
        fact.sentence = fill(rng.choice(frame.statements), values)
        if mode < 0.35 and i and rng.random() < 0.4:
            fact.sentence = capital(re.sub(rf"\b[Tt]he {re.escape(subject)}", "it", fact.sentence, count=1))
        out.append(fact)
    return out


def ask(rng: random.Random, fact: Fact, others: list[Fact]) -> tuple[str, str] | None:
    """A question on `fact` that no other fact answers, with its answer; None when there is none."""
    slot = rng.choice(sorted(fact.frame.questions))
    template = rng.choice(fact.frame.questions[slot])
    shown = re.findall(r"\{(\w)\}", template)
    for other in others:
        if other is not fact and other.frame is fact.frame and all(other.values[s] == fact.values[s] for s in shown):
            return None
    answer = fact.values[slot]
    if fact.frame.slots[slot] == "thing" and rng.random() < 0.5 and f"the {answer}" in fact.sentence:
        answer = f"the {answer}"
    if answer not in fact.sentence:
        answer = capital(answer)
    return (fill(template, fact.values), answer) if answer in fact.sentence else None


def statement_drill(rng: random.Random, frames: list[Frame], sentences: int, questions: int) -> Drill:
    """A passage of invented sentences, in one to three paragraphs, with questions on some of them."""
    stated = facts(rng, frames, sentences)
    rng.shuffle(stated)
    text = stated[0].sentence
    for fact in stated[1:]:
        text += ("\n\n" if rng.random() < 0.12 else "\n- " if rng.random() < 0.06 else " ") + fact.sentence
    asked = [ask(rng, fact, stated) for fact in rng.choices(stated, k=questions)]
    return Drill(text, tuple(dict.fromkeys(pair for pair in asked if pair)))


def recall_drill(rng: random.Random, pairs: int, questions: int) -> Drill:
    """Keys with values, and questions that are keys: the shortest form of finding and copying."""
    kinds = ["thing", "place", "person", "code", "count", "stuff", "clock", "duration", "role", "date"]
    first, second = rng.sample(kinds, 2)
    table: dict[str, str] = {}
    for _ in range(pairs):
        table.setdefault(value(rng, first), value(rng, second))
    sign, end = rng.choice([(": ", "\n"), (" is ", ". "), (" = ", "; "), (" - ", "\n")])
    text = end.join(f"{key}{sign}{entry}" for key, entry in table.items()) + end.rstrip()
    keys = rng.choices(list(table), k=questions)
    return Drill(text, tuple(dict.fromkeys((key, table[key]) for key in keys)))


WH = {
    "number": ["How many", "How many", "How much", "What number of"],
    "clock": ["When", "At what time", "What time"],
    "name": ["Who", "Which", "Where", "What"],
    "words": ["What", "Which", "What kind of", "How", "Where", "When"],
}
SPAN = re.compile(
    r"\b\d\d:\d\d\b|\b\d[\d,.]*\d\b(?: [a-z]+)?|\b\d\b(?: [a-z]+)?|\b[A-Z][a-z]+(?: [A-Z][a-z]+)+\b|\b[A-Z][a-z]+\b"
    r"|\b(?:the |a )?[a-z]{4,}(?: [a-z]+)?\b"
)
WORD = re.compile(r"\b(?:[A-Z][a-z]{2,}|[a-z]{5,}|\d+)\b")


def disguise(rng: random.Random, text: str, words: list[str]) -> str:
    """`text` with some names, figures and words exchanged, alike throughout, so that only reading it tells what it says."""
    names, figures, common = rng.random(), rng.random(), rng.random() * 0.3
    known: dict[str, str] = {}

    def exchange(match: re.Match[str]) -> str:
        old = match.group()
        if old not in known:
            known[old] = old
            if old.isdigit():
                if rng.random() < figures:
                    known[old] = str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in old[1:])
            elif old[0].isupper():
                if old not in STARTERS and rng.random() < names:
                    known[old] = name(rng)
            elif rng.random() < common:
                known[old] = rng.choice(words)
        return known[old]

    return WORD.sub(exchange, text)


def cloze_pair(rng: random.Random, sentence: str) -> tuple[str, str] | None:
    """A question made of a real sentence's other words, and the span that was taken out."""
    spans = [m for m in SPAN.finditer(sentence) if m.start() > 0]
    if len(sentence.split()) < 6 or not spans:
        return None
    strong = [m for m in spans if not m.group()[0].islower()]
    taken = rng.choice(strong if strong and rng.random() < 0.7 else spans)
    span = taken.group()
    kind = "clock" if ":" in span else "number" if span[0].isdigit() else "name" if span[0].isupper() else "words"
    before, after = sentence[: taken.start()].split(), sentence[taken.end() :].rstrip(".").split()
    shape = rng.random()
    if shape < 0.2:
        return " ".join([*before[-8:], "____", *after[:8]]), span
    kept = before[-9:] + after[:9]
    if shape < 0.6:
        kept = after[: rng.randint(2, 7)] + [rng.choice(["is", "does", "did", "was", "are", "do", "must", "has"])] + before[-8:]
    kept = [w.strip(",;:()|*") for w in kept if rng.random() < 0.85]
    return f"{rng.choice(WH[kind])} {' '.join(w for w in kept if w)}?", span


def text_drill(rng: random.Random, passages: list[str], count: int, questions: int) -> Drill:
    """`count` passages of real text in random order, partly disguised, with cloze questions on them."""
    words = [w for w in rng.choice(passages).split() if w.isalpha() and w.islower()] + NOUNS
    text = disguise(rng, "\n\n".join(rng.sample(passages, min(count, len(passages)))), words)
    sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n", text) if s]
    pairs = [cloze_pair(rng, sentence) for sentence in rng.choices(sentences, k=questions)]
    return Drill(text, tuple(dict.fromkeys(pair for pair in pairs if pair and pair[1] in text)))


def natural_drill(rng: random.Random, passages: list[str], count: int, questions: int) -> Drill:
    """`count` passages of real text, partly disguised, with the questions that rules make of their sentences."""
    words = [w for w in rng.choice(passages).split() if w.isalpha() and w.islower()] + NOUNS
    text = disguise(rng, "\n\n".join(rng.sample(passages, min(count, len(passages)))), words)
    made = [(pair.question, pair.answer) for pair in questions_by_rule(text, name(rng), 2 * questions)]
    rng.shuffle(made)
    return Drill(text, tuple(dict.fromkeys(made[:questions])))


def make_drill(
    rng: random.Random, mix: dict[str, float], size: int, passages: list[str], frames: list[Frame] | None = None
) -> Drill:
    """A drill of a kind drawn from `mix` (recall, statements, text, natural), its context about `size` tokens long."""
    kind = rng.choices(list(mix), list(mix.values()))[0]
    length = rng.uniform(0.4, 1.0) * size
    if kind == "recall":
        return recall_drill(rng, max(2, int(length / 12)), 8)
    if kind == "text" and passages:
        return text_drill(rng, passages, max(1, min(3, round(length / 110))), 8)
    if kind == "natural" and passages:
        return natural_drill(rng, passages, max(1, min(3, round(length / 110))), 8)
    return statement_drill(rng, frames or parse_frames(), max(2, int(length / 17)), 6)


def render(rng: random.Random, drill: Drill) -> list[tuple[str, str]]:
    """The drill in one of the layouts as (part, text) pieces; part is `context`, `question`, or `answer`."""
    head, mark, reply = rng.choice(LAYOUTS)
    pieces = [("context", head + drill.context)]
    for question, answer in drill.questions:
        pieces += [("question", mark + question + reply), ("answer", f" {answer}\n")]
        mark = mark.lstrip("\n") if mark.startswith("\n") else mark.split("\n")[-1]
    return pieces
