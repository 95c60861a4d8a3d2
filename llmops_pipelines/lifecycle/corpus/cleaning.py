"""One spelling for equal texts: Unicode, white space, invisible characters, line ends. Markdown structure stays.

`prepare` is all that happens to one raw text, in a child process (see pool.py): cleaning, personal data, language.
"""

import re
import unicodedata
from typing import Any

CODE = "clean 1"

# Written as escapes: a reader of this file could not see them.
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f"  # controls but tab and line feed
    "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"  # tags: text that only a model reads
)
_JOINERS = re.compile("(?<![^\x00-\u024f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u024f])")  # needed in Persian, Hindi, emoji
_MARKS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
# NFC sorts runs of marks in quadratic time; 30 is the limit of the Stream-Safe Text Format, UAX #15 section 13.
_LONG_MARKS = re.compile(f"([{_MARKS}]{{30}})[{_MARKS}]+")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def clean(text: str) -> str:
    """Cleaned text: NFC, `\\n` line ends, no invisible characters, no trailing spaces, at most one blank line in a row."""
    text = _LINE_ENDS.sub("\n", storable(text))
    text = _JOINERS.sub("", _INVISIBLE.sub("", text))
    text = unicodedata.normalize("NFC", _LONG_MARKS.sub(r"\1", text))
    lines: list[str] = []
    fenced = False
    for line in _SPACES.sub(" ", text).split("\n"):
        line = line.rstrip()
        if re.match(r" {0,3}(```|~~~)", line):
            fenced = not fenced
        elif not fenced:
            line = _one_space(line)
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")


def storable(text: str) -> str:
    """Surrogate pairs joined, lone surrogates replaced: they have no UTF-8 form and no table takes them."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _one_space(line: str) -> str:
    """Runs of spaces inside a line become one; the indent stays, because it nests lists."""
    words = line.lstrip(" \t")
    indent = line[: len(line) - len(words)].replace("\t", "    ")
    return indent[:40] + re.sub(r"[ \t]+", " ", words)


def prepare(title: str, text: str, kinds: tuple[str, ...], languages: tuple[str, ...]) -> dict[str, Any]:
    """Cleaned title and text without personal data, the language found in it, and how often each kind was replaced."""
    from .language import detect
    from .personal_data import replace_personal_data

    text, counts = replace_personal_data(clean(text), kinds, languages)
    heading, in_title = replace_personal_data(" ".join(clean(title).split())[:300], kinds, languages)
    return {
        "title": heading,
        "text": text,
        "language": detect(text),
        "replaced": [{"kind": kind, "count": counts[kind] + in_title[kind]} for kind in kinds],
    }
