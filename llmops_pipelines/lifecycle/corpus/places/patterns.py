"""File patterns of a source: which names it takes, and which folders need not be entered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Source

EVERYTHING = ("**/*", "**")
GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Patterns:
    """`beside` is a pattern that came with the path of the source (docs/**/*.md): names must match it as well.

    A hidden name (.env, .git/config) is taken only by a pattern that names a part with a dot (.github/**), unless
    `hidden_too`: dots mean nothing in web addresses, and a path to one file has named it.
    """

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    beside: str = ""
    hidden_too: bool = False

    @classmethod
    def of(cls, source: "Source", beside: str = "", hidden_too: bool = False) -> "Patterns":
        return cls(tuple(source.include), tuple(source.exclude), beside, hidden_too)

    def take(self, uri: str) -> bool:
        wanted, unwanted = self._compiled
        if self.hides(uri) or (unwanted and unwanted.fullmatch(uri)):
            return False
        return all(pattern.fullmatch(uri) for pattern in wanted)

    def hides(self, uri: str) -> bool:
        """Whether the name is hidden and no pattern asks for it."""
        return is_hidden(uri) and not self.hidden_too and not any(_any((dotted,)).fullmatch(uri) for dotted in self._dotted)

    @cached_property
    def _dotted(self) -> tuple[str, ...]:
        return tuple(pattern for pattern in (*self.include, self.beside) if is_hidden(pattern))

    @cached_property
    def _compiled(self) -> tuple[list[re.Pattern[str]], re.Pattern[str] | None]:
        groups = [] if any(pattern in EVERYTHING for pattern in self.include) else [self.include]
        groups += [(self.beside,)] if self.beside else []
        return [_any(group) for group in groups], _any(self.exclude) if self.exclude else None

    def enter(self, folder: str) -> bool:
        """False when everything below the folder is left out anyway."""
        whole = tuple(pattern.removesuffix("/**") for pattern in self.exclude if pattern.endswith("/**"))
        if whole and _any(whole).fullmatch(folder):
            return False
        return self.hidden_too or not is_hidden(folder) or any(_leads_into(pattern, folder) for pattern in self._dotted)


def is_hidden(uri: str) -> bool:
    """Whether a part of the name, or of the pattern, begins with a dot."""
    return uri.startswith(".") or "/." in uri


def _leads_into(pattern: str, folder: str) -> bool:
    """Whether the pattern may match something below the folder."""
    for part, name in zip(pattern.split("/"), folder.split("/"), strict=False):
        if "**" in part:
            return True
        if not _any((part,)).fullmatch(name):
            return False
    return True


@lru_cache(maxsize=256)
def _any(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_regex(glob)})" for glob in globs), re.DOTALL)


def _regex(glob: str) -> str:
    """`**/` is any number of folders, `*` and `?` stay inside one name, `[a-c]` is a set."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\])", glob)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        meaning.get(part) or (part.replace("[!", "[^") if part.startswith("[") and part.endswith("]") else re.escape(part))
        for part in parts
    )


def split_glob(path: str) -> tuple[str, str]:
    """The folder before the first part with a pattern, and the pattern: 'docs/**/*.md' is ('docs', '**/*.md')."""
    parts: Sequence[str] = path.split("/")
    at = next((place for place, part in enumerate(parts) if GLOB.search(part)), len(parts))
    return "/".join(parts[:at]), "/".join(parts[at:])


def suffix(uri: str) -> str:
    """'.md' of 'deep/A.MD'; empty where there is none."""
    name = uri.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem and ending else ""
