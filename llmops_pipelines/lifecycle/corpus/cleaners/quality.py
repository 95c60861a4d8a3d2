"""Texts that nobody would read, by the rules of Gopher (Rae et al. 2021, table A1) and C4: letters, and repetition.

Tables and code blocks are not prose and are not judged; what is left must be long enough to judge.
"""

import re
from collections import Counter
from dataclasses import dataclass

CODE = "quality 1"
JUDGED_CHARACTERS = 200  # of prose; shorter texts pass
SEQUENCE = 4  # words
_ASCII_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FENCED = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[^\n]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Thresholds:
    letters: float = 0.3  # least share of the characters that are not white space
    repeated_lines: float = 0.5  # most share of the characters; the next too
    repeated_words: float = 0.3


def problem(text: str, limits: Thresholds) -> tuple[str, str] | None:
    """(reason, detail) of the first rule that the prose of `text` breaks."""
    prose = _prose(text)
    if len(prose) < JUDGED_CHARACTERS:
        return None
    if (share := _letters(prose)) < limits.letters:
        return "low_quality_letters", f"{share:.0%} letters, at least {limits.letters:.0%}"
    if (share := _repeated_lines(prose)) > limits.repeated_lines:
        return "repeated_lines", f"{share:.0%} in repeated lines, at most {limits.repeated_lines:.0%}"
    if (share := _repeated_words(prose, limits.repeated_words)) > limits.repeated_words:
        return "repeated_words", f"{share:.0%} in one sequence of words, at most {limits.repeated_words:.0%}"
    return None


def _prose(text: str) -> str:
    if "```" in text or "~~~" in text:
        text = _FENCED.sub("", text)
    if "|" in text:
        text = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("|"))
    return text


def _letters(text: str) -> float:
    """Combining marks count as letters: they are half of Hindi or Thai."""
    plain = text.encode("ascii", "ignore")
    dense = len(plain.translate(None, b" \t\n\f"))
    letters = dense - len(plain.translate(None, _ASCII_LETTERS + b" \t\n\f"))
    if len(plain) < len(text):
        foreign = [c for c in re.sub("[\x00-\x7f]+", "", text) if not c.isspace()]
        dense += len(foreign)
        letters += sum(c.isalpha() or not (c.isalnum() or c.isprintable()) or _mark(c) for c in foreign)
    return letters / dense if dense else 0.0


def _mark(character: str) -> bool:
    import unicodedata

    return unicodedata.category(character)[0] == "M"


def _repeated_lines(text: str) -> float:
    lines = [line for line in text.split("\n") if line and line != "\f"]
    counts = Counter(lines)
    if len(counts) == len(lines):
        return 0.0
    total = sum(map(len, lines))
    return 1 - sum(map(len, counts)) / total


def _repeated_words(text: str, most: float) -> float:
    """Share of the most frequent sequence, without the first time it stands."""
    words = text.lower().split()
    characters = sum(map(len, words)) + len(words)
    # No sequence repeats more than all words do, nor takes more room than its words: mostly that settles it.
    different = set(words)
    if characters - sum(map(len, different)) - len(different) <= most * characters:
        return 0.0
    counts = Counter(words)
    if sum(sorted((len(word) + 1) * count for word, count in counts.items())[-SEQUENCE:]) <= most * characters:
        return 0.0
    sequences = Counter(zip(*(words[start:] for start in range(SEQUENCE)), strict=False))
    [(sequence, count)] = sequences.most_common(1) or [((), 0)]
    return min(1.0, (count - 1) * sum(len(word) + 1 for word in sequence) / characters) if sequence else 0.0
