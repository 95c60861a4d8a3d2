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
    """`beside` is a pattern that came with the path of the source (docs/**/*.md): names must match it as well."""

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    beside: str = ""

    @classmethod
    def of(cls, source: "Source", beside: str = "") -> "Patterns":
        return cls(tuple(source.include), tuple(source.exclude), beside)

    def take(self, uri: str) -> bool:
        wanted, unwanted = self._compiled
        return all(pattern.fullmatch(uri) for pattern in wanted) and not (unwanted and unwanted.fullmatch(uri))

    @cached_property
    def _compiled(self) -> tuple[list[re.Pattern[str]], re.Pattern[str] | None]:
        groups = [] if any(pattern in EVERYTHING for pattern in self.include) else [self.include]
        groups += [(self.beside,)] if self.beside else []
        return [_any(group) for group in groups], _any(self.exclude) if self.exclude else None

    def enter(self, folder: str) -> bool:
        """False when everything below the folder is excluded anyway."""
        whole = tuple(pattern.removesuffix("/**") for pattern in self.exclude if pattern.endswith("/**"))
        return not whole or not _any(whole).fullmatch(folder)


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
