"""Own splitter: verbatim slices of a text within a budget of the embedding model's tokens, with exact offsets.

A text is cut coarsely, everything is counted in one go, and only what stands at the end of a passage is cut finer.
No decoding: decoded tokens of an uncased model are not the text any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from llmops_pipelines.config.pipeline import Chunks
from llmops_pipelines.lifecycle.lake.digests import digest

from ..embedders.model_files import ModelFiles
from ..errors import IndexingError
from . import code_blocks, splitting, tables
from .counting import Counter, load
from .cutting import Cutter, Passage
from .packing import Rule
from .splitting import CODE as SOURCE
from .splitting import PARAGRAPH, PROSE, SENTENCE, SEPARATOR, TABLE, TOP, UNIT, WORD, Outline

CODE = "chunker-2"
HEAD_TOKENS = 32  # room for the line with title and headings that is embedded above each passage
SPECIAL_TOKENS = 2  # [CLS] and [SEP]
SHORT_SECTION = 3  # characters per token of the budget; a text with fewer fits into one passage, or nearly
LONG_PARAGRAPH = 2  # characters per token of the budget; about half a passage
NEVER = TOP + 1  # no cut is good enough to leave a passage half empty


@dataclass(frozen=True)
class Chunker:
    """Cuts texts as the settings say, counting with the model's own tokenizer."""

    model: ModelFiles
    settings: Chunks

    def __post_init__(self) -> None:
        most = self.model.max_length - SPECIAL_TOKENS - HEAD_TOKENS
        if self.settings.tokens > most:
            raise IndexingError(
                f"chunks.tokens: {self.settings.tokens} does not fit, {self.model.settings.model} reads "
                f"{self.model.max_length} tokens and {SPECIAL_TOKENS + HEAD_TOKENS} are for headings; use at most {most}"
            )

    def __reduce__(self):
        return Chunker, (self.model, self.settings)  # the counter is loaded where it is used

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the cuts: this code, the settings, the tokenizer."""
        return digest({"code": CODE, "settings": self.settings, "tokenizer": self.model.tokenizer_sha256})

    @cached_property
    def counter(self) -> Counter:
        return load(self.model.path("tokenizer.json"))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones not counted."""
        return self.counter.count(texts)

    def head(self, title: str, heading: str) -> str:
        """The line above a passage when it is embedded: title and heading path, at most `HEAD_TOKENS` tokens."""
        return self.heads(title, [heading])[heading]

    def heads(self, title: str, headings: Iterable[str]) -> dict[str, str]:
        """`head` of each heading path of a document, all at once."""
        lines = {heading: _line(title, heading) for heading in headings}
        for (heading, line), tokens in zip(list(lines.items()), self.count(list(lines.values())), strict=True):
            if tokens > HEAD_TOKENS:
                encoding = self.counter.tokenizer.encode(line, add_special_tokens=False)
                lines[heading] = line[: encoding.offsets[HEAD_TOKENS - 1][1]]
        return lines

    def cut(self, texts: Sequence[str], formats: Sequence[str] | None = None) -> list[list[Passage]]:
        """Passages of each text, in order. They cover everything but white space, overlap only where that was asked for.

        A text of the format 'code' is source code, every other one is read as Markdown.
        """
        formats = [""] * len(texts) if formats is None else formats
        overlap = self.settings.overlap
        cutters = [
            Cutter(text, self._outline(text, form), self.counter, self.rule, overlap)
            for text, form in zip(texts, formats, strict=True)
        ]
        counts = self.count([span for cutter in cutters for span in cutter.spans])
        ends = accumulate(len(cutter.spans) for cutter in cutters)
        return [cutter.passages(counts[end - len(cutter.spans) : end]) for cutter, end in zip(cutters, ends, strict=True)]

    @cached_property
    def rule(self) -> Rule:
        """What `chunks.by` means for the packing."""
        budget = self.settings.tokens - self.settings.overlap
        if self.settings.by == "structure":
            return Rule(budget, budget * 2 // 5, best=TOP, enough=PARAGRAPH, broken=frozenset({PROSE}))
        if self.settings.by == "sentences":
            return Rule(budget, budget * 3 // 4, best=SENTENCE, enough=NEVER, broken=frozenset({PROSE, SOURCE, TABLE}))
        return Rule(budget, budget, best=WORD, enough=NEVER, broken=frozenset({PROSE, SOURCE, TABLE, UNIT}))

    def _outline(self, text: str, form: str) -> Outline:
        if form == "code":
            return code_blocks.outline_of_code(text)
        fences = code_blocks.fences(text)
        islands = [(start, end, SOURCE) for start, end in fences]
        islands += [(start, end, TABLE) for start, end in tables.tables(text, fences)]
        budget, by_section = self.rule.budget, self.settings.by == "structure"
        lengths = {"short": budget * SHORT_SECTION, "long": budget * LONG_PARAGRAPH}
        return splitting.outline(text, sorted(islands), by_section=by_section, **lengths)


def _line(title: str, heading: str) -> str:
    path = heading.split(SEPARATOR) if heading else []
    return " ".join(SEPARATOR.join([*([title] if title and title not in path[:1] else []), *path]).split())
