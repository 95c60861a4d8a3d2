"""One spelling for equal texts: Unicode, white space, invisible characters, line ends. Markdown structure stays.

`prepare` is all that happens to one raw text, in a child process (see pool.py): cleaning, boilerplate, quality, language,
personal data.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import boilerplate, language, names, national_ids, personal_data, quality
from .quality import Thresholds

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Cleaning

CODE = "clean 2"
TITLE_CHARACTERS = 300
PAGE = "\f"  # alone on a line: a new page begins

# Written as escapes: a reader of this file could not see them.
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x1c-\x1e\x85\u2028\u2029]")
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
_FOREIGN = re.compile("[^\x00-\x7f]")
_PLAIN = bytes([9, 10, 12, *range(32, 127)])
_FENCE = re.compile(r" {0,3}(```|~~~)")


@dataclass(frozen=True)
class Preparing:
    """What the words of `cleaning:` in YAML mean for one text; small, because each child gets a copy."""

    boilerplate: bool = True
    quality: Thresholds = Thresholds()
    personal_data: tuple[tuple[str, str], ...] = ()  # (kind, treatment)
    languages: tuple[str, ...] = ("en",)
    names_model: str | None = None

    @classmethod
    def of(cls, cleaning: "Cleaning") -> "Preparing":
        limits = cleaning.quality
        return cls(
            boilerplate=cleaning.boilerplate,
            quality=Thresholds(limits.letters, limits.repeated_lines, limits.repeated_words),
            personal_data=tuple(sorted(cleaning.personal_data.items())),
            languages=tuple(sorted(cleaning.languages)),
            names_model=str(cleaning.names_model) if cleaning.names_model else None,
        )


def identity(settings: Preparing) -> dict[str, Any]:
    """All that the result of `prepare` depends on, beside the text."""
    from importlib.metadata import version

    parts = (boilerplate, quality, language, personal_data, national_ids)
    libraries = [*personal_data.LIBRARIES, *language.LIBRARIES, *(names.LIBRARIES if settings.names_model else ())]
    return {
        "code": [CODE, *(part.CODE for part in parts)],
        "libraries": {library: version(library) for library in libraries},
        "unicode": unicodedata.unidata_version,
        "boilerplate": settings.boilerplate,
        "quality": vars(settings.quality),
        "personal_data": [list(pair) for pair in settings.personal_data],
        "languages": list(settings.languages) if "phone" in dict(settings.personal_data) else [],
        "names": names.identity(settings.names_model) if settings.names_model else None,
    }


def prepare_many(items: list[tuple[str, str, str]], settings: Preparing) -> list[dict[str, Any]]:
    """`prepare` for each (title, text, format); a text that cannot be cleaned is its own failure, with a reason."""
    results = []
    for title, text, kind in items:
        try:
            results.append(prepare(title, text, kind, settings))
        except MemoryError:
            raise
        except Exception as error:
            results.append(_rejected("cleaner_failed", type(error).__name__))
    return results


def prepare(title: str, text: str, format: str, settings: Preparing) -> dict[str, Any]:
    """Cleaned title and text without personal data, the language found, and how often each kind of data was replaced.

    `reason` says why the text is not to be used, `detail` by which number; then nothing of the text comes back.
    """
    code = format == "code"
    text = clean_code(text) if code else clean(text)
    if not code:
        if settings.boilerplate:
            text = _framed(boilerplate.without_boilerplate(text))
        if problem := quality.problem(text, settings.quality):
            return _rejected(*problem)
    spoken = language.UNDETERMINED if code else language.detect(text)
    title = " ".join(clean(title).split())[:TITLE_CHARACTERS]
    treatments = dict(settings.personal_data)
    found = personal_data.Finder(tuple(treatments), settings.languages, settings.names_model)
    spans, in_title = found.spans(text), found.spans(title)
    counts = {kind: sum(span.kind == kind for span in (*spans, *in_title)) for kind in treatments}
    for kind, treatment in treatments.items():
        if treatment == "drop" and counts[kind]:
            return _rejected(f"personal_data_{kind}", f"{counts[kind]} found")
    return {
        "title": personal_data.replaced(title, in_title, treatments),
        "text": personal_data.replaced(text, spans, treatments),
        "language": spoken,
        "replaced": [{"kind": kind, "count": count} for kind, count in counts.items()],
        "reason": "",
        "detail": "",
    }


def _rejected(reason: str, detail: str) -> dict[str, Any]:
    return {"title": "", "text": "", "language": language.UNDETERMINED, "replaced": [], "reason": reason, "detail": detail}


def clean(text: str) -> str:
    """Cleaned text: NFC, `\\n` line ends, no invisible characters, no trailing spaces, at most one blank line in a row.

    A page mark stays alone on its line; marks after the last word are dropped, because no page follows.
    """
    text = _characters(text)
    if any(sign in text for sign in ("  ", "\t", " \n", "\n ", "\n\n\n", PAGE)):
        text = _lines(text)
    return _framed(text)


def clean_code(text: str) -> str:
    """Source code: indents, tabs and blank lines are its author's."""
    return "\n".join(line.rstrip() for line in _characters(text).replace(PAGE, "\n").split("\n")).strip("\n")


def storable(text: str) -> str:
    """Surrogate pairs joined, lone surrogates replaced: they have no UTF-8 form and no table takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _characters(text: str) -> str:
    """One spelling per character. Most texts have nothing to change, and a look at their different characters shows it."""
    plain = text.encode("ascii", "ignore")
    foreign = set(_FOREIGN.findall(text)) if len(plain) < len(text) else set()
    if plain.translate(None, _PLAIN) or any(map(_changes, foreign)):
        text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", storable(text)))
        text = _LONG_MARKS.sub(r"\1", _JOINERS.sub("", text))
        text = _SPACES.sub(" ", text)
    if foreign and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return text


@lru_cache(maxsize=10_000)
def _changes(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "CMZ" or character in "\u115f\u1160"  # others, marks, separators; fillers that look like nothing


def _lines(text: str) -> str:
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if PAGE in line:
            marks = [PAGE] if line.strip(" \t\f") == "" else line.replace(PAGE, "\n").split("\n")
            lines += [PAGE] * line.count(PAGE) if marks == [PAGE] else [_one_space(part.rstrip()) for part in marks]
            continue
        line = line.rstrip()
        if line[:7].lstrip(" ")[:3] in ("```", "~~~") and _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            line = _one_space(line)
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines)


def _one_space(line: str) -> str:
    """Runs of spaces inside a line become one; the indent stays, because it nests lists."""
    if "  " not in line and "\t" not in line:
        return line
    words = line.lstrip(" \t")
    indent = line[: len(line) - len(words)].replace("\t", "    ")
    return indent[:40] + (re.sub(r"[ \t]+", " ", words) if "  " in words or "\t" in words else words)


def _framed(text: str) -> str:
    return text.lstrip("\n").rstrip("\n\f ")
