"""Plain text, reStructuredText and Markdown. Headings become `#` lines; everything else stays as it is."""

import re

from .pieces import Piece


def code(content: str) -> Piece:
    """As it is: every space may mean something."""
    return Piece("", content.lstrip("\ufeff"))


def text(content: str) -> Piece:
    """Plain text has no marks, so its layout is read: short lines that stand alone above a paragraph are headings.

    The first line is the title when it opens a first block of at most three short lines. Underlined lines are headings as
    in reStructuredText.
    """
    content = re.sub(r"\r\n?", "\n", content)
    underlined, headings = _underlined(content)
    if headings:
        return Piece(headings[0], underlined.strip("\ufeff \t\n"))
    blocks = [block for block in re.split(r"\n[ \t]*\n\s*", content.strip("\ufeff \t\n")) if block]
    first = blocks[0].split("\n") if blocks else []
    title = ""
    if len(blocks) > 1 and len(first) <= 3 and _looks_like_title(first[0]) and all(len(line) <= 100 for line in first):
        title = first[0].strip()
        blocks[0] = "\n\n".join([f"# {title}", *filter(None, ["\n".join(first[1:])])])
    for place, (block, following) in enumerate(zip(blocks[1:], blocks[2:], strict=False), 1):
        if "\n" not in block and len(block) <= 70 and _looks_like_title(block) and len(following) > len(block):
            blocks[place] = f"## {block.strip()}"
    return Piece(title, "\n\n".join(blocks))


def _underlined(content: str) -> tuple[str, list[str]]:
    """Text with underlined lines as `#` headings, and these. The first kind of line in a file is the highest level."""
    if not re.search(r"^([-=~^*+#'\"`:.])\1{2,}[ \t]*$", content, re.MULTILINE):
        return content, []
    lines = content.split("\n")
    levels: dict[tuple[str, bool], int] = {}
    headings: list[str] = []
    out: list[str] = []
    place = 0
    while place < len(lines):
        over = place + 2 < len(lines) and _underline(lines[place + 2], lines[place + 1]) and lines[place] == lines[place + 2]
        at = place + 1 if over else place
        if at + 1 < len(lines) and _underline(lines[at + 1], lines[at]) and (at == 0 or over or not lines[at - 1].strip()):
            level = levels.setdefault((lines[at + 1][0], over), len(levels) + 1)
            headings.append(lines[at].strip())
            out += [f"{'#' * min(level, 6)} {headings[-1]}", ""]
            place = at + 2
        else:
            out.append(lines[place])
            place += 1
    return "\n".join(out), headings


def _underline(line: str, above: str) -> bool:
    """A line of one punctuation mark at least as long as the words above it."""
    line, words = line.rstrip(), above.strip()
    return (
        len(line) >= max(len(words), 3)
        and line[0] in "=-~^*+#'\"`:."
        and set(line) == {line[0]}
        and any(map(str.isalnum, words))
    )


def _looks_like_title(line: str) -> bool:
    """Starts like a sentence and does not end like one (questions are fine), and is no point of a list."""
    line = line.strip()
    return (
        3 <= len(line) <= 100 and not line.endswith((".", ":", ",", ";", "!")) and bool(re.match(r"[^\W\d_a-z]|[\"'(]", line))
    )


def markdown(content: str) -> Piece:
    """Front matter and comments go; underlined headings become `#` lines; the first heading, or front matter, is the title."""
    lines, title = _front_matter(content.lstrip("\ufeff").splitlines())
    kept: list[str] = []
    fence = ""
    for line in _without_comments(lines):
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence and kept and re.fullmatch(r" {0,3}(=+|-{2,})\s*", line) and _is_paragraph(kept[-1]):
            level = "#" if "=" in line else "##"
            kept[-1] = f"{level} {kept[-1].strip()}"
            continue
        elif not fence and (found := re.fullmatch(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*", line)):
            line = f"{found[1]} {found[2]}"
        kept.append(line)
        if not fence and not title and line.startswith("# "):
            title = line[2:].strip()
    title = title or next((line[2:].strip() for line in kept if line.startswith("# ")), "")
    return Piece(re.sub(r"[*_`]", "", title), "\n".join(kept))


def _is_paragraph(line: str) -> bool:
    return bool(line.strip()) and not re.match(r"\s*(#|>|\||[-*+] |\d+[.)] )", line)


def _front_matter(lines: list[str]) -> tuple[list[str], str]:
    if not lines or lines[0].rstrip() != "---":
        return lines, ""
    end = next((i for i, line in enumerate(lines[1:200], 1) if line.rstrip() in ("---", "...")), 0)
    head = lines[1:end]
    if not end or not any(re.match(r"[\w-]+\s*:", line) for line in head):  # a horizontal line, not front matter
        return lines, ""
    titles = (re.match(r"title\s*:\s*(.+?)\s*$", line) for line in head)
    return lines[end + 1 :], next((found[1].strip("\"'") for found in titles if found), "")


def _without_comments(lines: list[str]) -> list[str]:
    kept, inside = [], False
    for line in lines:
        shown = ""
        while line or inside:
            before, mark, line = line.partition("-->" if inside else "<!--")
            shown += "" if inside else before
            if not mark:
                break
            inside = not inside
        kept.append(shown)
    return kept
