"""Source code: fenced blocks in Markdown, and whole files with the definitions that a line stands in.

Definitions are found by the shape of a line, in the languages most code is written in; indentation says what they enclose.
"""

import re
from collections.abc import Iterator
from itertools import chain

from .splitting import CODE, MEMBER, PARAGRAPH, SENTENCE, SEPARATOR, TOP, WORD, Mark, Outline

_FENCE = r"(?P<indent>[ \t]*+)(?P<run>`{3,}+|~{3,}+)(?P<info>[^\n]*+)"
_FIRST_FENCE, _NEXT_FENCE = re.compile(_FENCE), re.compile(r"\n" + _FENCE)
_EMPTY_LINES = re.compile(r"(?:[ \t\f]*+\n)*+")
_LINE_END = re.compile(
    r"\n(?P<blank>(?:[ \t\f]*+\n)++)?+(?=(?P<indent>[ \t]*+)"
    r"(?P<goes_on>[)\]}.,:?&|+*/=`~-]|(?:else|elif|except|finally|catch|then|do|and|or|end)\b)?)"
)
_MODIFIERS = (
    "(?:export|default|declare|public|private|protected|internal|static|final|abstract|sealed|override|virtual|async|inline|"
    r"extern|unsafe|const|constexpr|open|data|partial|case|synchronized|pub(?:\([\w: ]{1,40}\))?)[ \t]+"
)
_KINDS = (
    r"(?:class|def|fn|func|fun|function\*?|sub|interface|struct|enum|union|trait|impl|mod|module|namespace|record|object|"
    r"protocol|extension|type|macro_rules!|(?i:create[ \t]+(?:or[ \t]+replace[ \t]+)?(?:table|view|function|procedure)))"
)
_NO_TYPES = "return|else|if|for|while|switch|do|throw|new|await|case|using|typedef|goto|async|export|const|let|var|in"
_DEFINITION = re.compile(
    rf"""\n([ \t]*+)(?:
    (?:{_MODIFIERS})*+(                                        # class Name, def name, impl<T> Name, func (r *T) name
        (?:{_KINDS}(?:[ \t]+|(?=[<(])))+(?:\([^()\n]{{0,80}}\)[ \t]*|<[^<>\n]{{0,80}}>[ \t]*)?[A-Za-z_$][\w$.:]{{0,80}}
    )(?=[ \t]*(?:[(<{{:=\[;]|$|(?:extends|implements|for|where|struct|interface|is|as|of)\b))
    | (?:{_MODIFIERS})++((?:[\w<>\[\],.?&*]{{1,60}}[ \t]+){{0,3}}\w{{1,80}})(?=\()             # public void name(
    | (?:export[ \t]+)?(?:const|let|var)[ \t]+(\w{{1,80}})[ \t]*=[ \t]*(?:async[ \t]+)?(?:function\b|\w{{1,80}}[ \t]*=>
        |\([^()\n]{{0,200}}\)[ \t]*(?::[^=\n]{{1,80}})?=>)                                    # const name = (x) =>
    | (?<=\n)(?!(?:{_NO_TYPES})\b)((?:[A-Za-z_][\w:<>,*&]{{0,60}}[ \t]+){{1,4}}[*&]{{0,2}}[\w:~]{{1,80}})
        (?=\([^;\n]{{0,300}}(?:\{{[ \t]*$|\)[^;\n]{{0,20}}\n\{{))                               # int *name(char c) {{
    )""",
    re.MULTILINE | re.VERBOSE,
)
_ABOVE = re.compile(r"[ \t]*+(?:@|//|/?\*|--|\[|#(?!include|define|if|endif|!))")  # comments and decorators of a definition
_LONGEST_COMMENT = 60  # lines


def fences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each fenced block, the empty lines after it included. One that is never closed reaches to the end."""
    found: list[tuple[int, int]] = []
    start, opened, indent = 0, "", ""
    for line in _fence_lines(text):
        if not opened:
            if line["run"][0] == "~" or "`" not in line["info"]:
                start, opened, indent = line.start("indent"), line["run"], line["indent"]
        elif line["run"].startswith(opened) and not line["info"].strip():
            after = min(line.end() + 1, len(text))
            found.append((start, _EMPTY_LINES.match(text, after).end()))
            opened = ""
    return [*found, (start, len(text))] if opened and len(indent) <= 3 else found


def lines_of_code(text: str, start: int, end: int) -> tuple[list[int], list[int]]:
    """Ends of the lines and how good it is to cut there: best after empty lines, not before a line that goes on."""
    found = [(m.end(), m["blank"], m["goes_on"]) for m in _LINE_END.finditer(text, start, end)]
    strengths = [PARAGRAPH if blank else WORD if goes_on else SENTENCE for at, blank, goes_on in found if at < end]
    if strengths and _FIRST_FENCE.match(text, start):
        strengths[0] = WORD
    return [*(at for at, _, _ in found if at < end), end], [*strengths, WORD]


def outline_of_code(text: str) -> Outline:
    """Cut a source file at definitions and empty lines. Marks say which definitions a piece stands in: 'class A > def f'."""
    made = Outline(len(text) - len(text.lstrip()), sections=[0])
    path: list[tuple[int, str]] = []
    for at, strength, indent, name in _events(text, made.start):
        if at > made.start:
            made.ends.append(at)
            made.strengths.append(strength)
        path = [(n, above) for n, above in path if n < indent] + ([(indent, name)] if name else [])
        made.marks.append(Mark(at, SEPARATOR.join(name for _, name in path)))
    made.ends.append(len(text))
    made.strengths.append(PARAGRAPH)
    made.kinds = [CODE] * len(made.ends)
    return made


def _events(text: str, start: int) -> Iterator[tuple[int, int, int, str]]:
    """(place, strength, indentation, name of the definition there or ''), in order, each place once."""
    defined = dict(_definitions(text))
    empty = (m for m in _LINE_END.finditer(text, start) if m["blank"] and not m["goes_on"])
    places = {m.end(): len(m["indent"].expandtabs(4)) for m in empty} | {start: 0}
    for at in sorted(places.keys() | defined.keys()):
        if at in defined:
            indent, name = defined[at]
            yield at, MEMBER if indent else TOP, indent, name
        elif at < len(text):
            yield at, SENTENCE if places[at] else PARAGRAPH, places[at], ""


def _definitions(text: str) -> Iterator[tuple[int, tuple[int, str]]]:
    """Start of each definition, its comments and decorators included, with its indentation and name."""
    floor = 0
    first = _DEFINITION.match("\n" + text[:400])
    for offset, found in chain([(-1, first)] if first else [], ((0, found) for found in _DEFINITION.finditer(text))):
        at = found.start(1) + offset
        name = " ".join(found[found.lastindex].split()).rstrip(":.")
        for _ in range(_LONGEST_COMMENT):
            above = text.rfind("\n", 0, at - 1) + 1 if at > floor else at
            if above < floor or above == at or not _ABOVE.match(text, above, at):
                break
            at = above
        yield at, (len(found[1].expandtabs(4)), name)
        floor = found.end() + offset


def _fence_lines(text: str) -> Iterator[re.Match[str]]:
    if "```" in text or "~~~" in text:
        first = _FIRST_FENCE.match(text)
        yield from [first] if first else []
        yield from _NEXT_FENCE.finditer(text)
