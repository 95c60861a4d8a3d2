"""Texts compared by their words: is an answer in a passage, is a passage a copy of a held-out document."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

WINDOW = 5  # words in one window
SHORTEST = 20  # words; shorter blocks (headings, table rows, stock phrases) are never called a copy
COPIED = 0.5  # share of a block's windows found in one document from which the block counts as its copy


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def plain(text: str) -> str:
    """The words of a text, lower case, one space between and around them: `plain(a) in plain(b)` compares whole words."""
    return f" {' '.join(words(text))} "


def overlap(question: str, text: str) -> int:
    """How many different words of the question are in the text."""
    return len(set(words(question)) & set(words(text)))


def support(text: str, passage: str) -> float:
    """Share of the telling words of `text` that stand in `passage`: those with four letters or more, or with a digit.
    1.0 when it has none."""
    telling = {word for word in words(text) if len(word) > 3 or not word.isalpha()}
    return len(telling & set(words(passage))) / len(telling) if telling else 1.0


def windows(text: str, size: int = WINDOW) -> set[int]:
    """64-bit hashes of all runs of `size` words (Manber 1994, "Finding similar files in a large file system")."""
    found = words(text)
    runs = (" ".join(found[i : i + size]) for i in range(len(found) - size + 1))
    return {int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "big", signed=True) for run in runs}


def owners(texts: Mapping[str, str]) -> dict[int, set[str]]:
    """For each window, the documents (`doc_id -> text`) that contain it."""
    return merged((window, doc_id) for doc_id, text in texts.items() for window in windows(text))


def merged(rows: Iterable[tuple[int, str]]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for window, doc_id in rows:
        found.setdefault(window, set()).add(doc_id)
    return found


def copied_from(text: str, held: Mapping[int, set[str]]) -> str | None:
    """The document of `held` that a block (text between blank lines) of `text` copies, or None."""
    for block in re.split(r"\n\s*\n", text):
        if len(words(block)) < SHORTEST:
            continue
        here = windows(block)
        counts = Counter(doc_id for window in here for doc_id in held.get(window, ()))
        for doc_id, count in sorted(counts.items()):
            if count >= COPIED * len(here):
                return doc_id
    return None
