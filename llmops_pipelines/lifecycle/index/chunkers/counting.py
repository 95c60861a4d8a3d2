"""How many tokens of the embedding model a text has: exactly, and as fast as what is installed allows.

Special tokens never count. The `tokenizers` library has the last word: whatever is faster must agree with it on the probes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Count = Callable[[Sequence[str]], list[int]]

WORDS_KEPT = 400_000  # some 50 MB; then the memory of counted words starts anew
LONGEST_WORD_KEPT = 64  # characters; longer ones do not come back
_UNKNOWN = 1 << 40  # larger than any sum of real counts
_UNSAFE_SPACES = "\v\x1c\x1d\x1e\x1f\x85"  # white space to Python, but BERT drops it and joins the words beside it
PROBES = (
    "The ferry leaves at nine o'clock. It's 3.14, isn't it? (No!) e.g. $4.99",
    "NASA's Café opened; naïve Ünïcödé É ï ĳ ǆ ﬁ ß ẞ İ ı Σς",
    "a\u0301\u0301e\u0308 \u0301 zero\u200bwidth soft\u00adhyphen no\u00a0break thin\u2009space line\u2028end \ufeffmark",
    "渡輪九點開。狗只能在甲板上。 배는 아홉 시에 떠납니다 フェリーは９時 العبّارة तरी เรือ",
    "emoji 👩‍👩‍👧 🇳🇴 👍🏽 and ∑∞√≠ ½ № ™ … — – “quotes” ‘x’ «y»",
    "def f(x): return x_1 * 0xFF  # snake_case camelCase HTTPServer2 /usr/lib/a-b.c https://a.example/?q=1&r=%20",
    "| a | b |\n|---|---|\n| 1 | - |\n\n```sh\nls -la\n```\n\t* item\r\n",
    "[CLS] [SEP] [MASK][UNK] <s></s> <mask> <|endoftext|> [unused1]",
    "x" * 99 + " " + "y" * 100 + " " + "z" * 101 + " " + "ab1" * 400,
    "tab\tand\u3000wide \x00 nul \x07 bell \ufffd \ud7ff \ue000 \U000f0000",
    "   leading, trailing   ",
    "word",
    "",
    " \n\t ",
)


@dataclass(frozen=True)
class Counter:
    """Counts tokens. `additive`: a text cut at white space has exactly as many tokens as its parts together."""

    tokenizer: Any
    count: Count
    additive: bool


def load(tokenizer_json: Path, *, accelerated: bool = True) -> Counter:
    """The counter of a tokenizer.json; `accelerated` allows the package tokie where it is installed and right."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_json))
    tokenizer.no_truncation()  # MiniLM's file carries both, at 128: counts would be wrong without a word
    tokenizer.no_padding()
    plain = Plain(tokenizer)
    if not (_splits_at_white_space(json.loads(tokenizer_json.read_text("utf-8"))) and adds_up(plain)):
        return Counter(tokenizer, plain, additive=False)
    fast = _tokie(tokenizer_json) if accelerated else None
    if fast is None or not agrees(fast, plain):
        return Counter(tokenizer, Words(plain), additive=True)
    return Counter(tokenizer, Ascii(fast, Words(Ascii(fast, plain))), additive=True)


@dataclass(frozen=True)
class Plain:
    """Every text through the tokenizer."""

    tokenizer: Any

    def __call__(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding) for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


class _Known(dict[str, int]):
    """Tokens of each word; a word that is not there yet counts as unknown and is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __missing__(self, word: str) -> int:
        self.asked.append(word)
        return _UNKNOWN


@dataclass(frozen=True)
class Words:
    """Every word through the tokenizer once, where counts of words add up; most words of a text were seen before."""

    plain: Count
    known: _Known = field(default_factory=_Known)

    def __call__(self, texts: Sequence[str]) -> list[int]:
        if len(self.known) > WORDS_KEPT:
            self.known.clear()
        known, of = self.known, self.known.__getitem__
        counts = [sum(map(of, _words(text))) for text in texts]
        if known.asked:
            new = list(dict.fromkeys(known.asked))
            known.asked.clear()
            known.update(zip(new, self.plain(new), strict=True))
            counts = [n if n < _UNKNOWN else sum(map(of, _words(t))) for n, t in zip(counts, texts, strict=True)]
            for word in new:
                if len(word) > LONGEST_WORD_KEPT:
                    del known[word]
        return counts


@dataclass(frozen=True)
class Ascii:
    """ASCII through a counter that is fast and right there, everything else through one that is right everywhere.

    tokie 0.1.4 follows another Unicode table: it differs for some 44,000 characters, most of them unassigned.
    """

    fast: Count
    exact: Count

    def __call__(self, texts: Sequence[str]) -> list[int]:
        if _is_plain("".join(texts)):
            return self.fast(texts)
        plain = list(map(_is_plain, texts))
        counts = iter(self.fast([text for text, is_plain in zip(texts, plain, strict=True) if is_plain]))
        others = iter(self.exact([text for text, is_plain in zip(texts, plain, strict=True) if not is_plain]))
        return [next(counts) if is_plain else next(others) for is_plain in plain]


def adds_up(count: Count, texts: Sequence[str] = PROBES) -> bool:
    """True when each text has as many tokens as its words together."""
    return count(texts) == [sum(count(_words(text))) for text in texts]


def agrees(fast: Count, exact: Count, texts: Sequence[str] = PROBES) -> bool:
    """True when both count the same in ASCII: every character in three places, the ASCII probes, and their words."""
    shapes = [shape.format(chr(n)) for n in range(127) for shape in ("{0}", "a{0}b", "1 {0} .{0}2")]
    probes = [text for text in texts if text.isascii()]
    asked = [*shapes, *probes, *(word for text in probes for word in text.split())]
    return fast(asked) == exact(asked)


def _is_plain(text: str) -> bool:
    return text.isascii() and "\x7f" not in text


def _words(text: str) -> list[str]:
    if any(space in text for space in _UNSAFE_SPACES) or text.count("\f") != text.count("\n\f\n"):
        return text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" ")
    return text.split()


def _splits_at_white_space(file: dict[str, Any]) -> bool:
    """BERT's family by construction: characters are normalised one by one, then words end at white space. Of BPE and
    Unigram this cannot be said: a space belongs to the word after it, and what stands first in a text has none."""
    added = [token["content"] for token in file.get("added_tokens", [])]
    return (
        (file.get("model") or {}).get("type") == "WordPiece"
        and (file.get("normalizer") or {}).get("type") == "BertNormalizer"
        and (file.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
        and all(content == content.strip() and len(content.split()) == 1 for content in added)
    )


def _tokie(tokenizer_json: Path) -> Count | None:
    """Counts only: the offsets of tokie 0.1.4 are wrong after accents and inside words."""
    try:
        import tokie
    except ImportError:
        return None
    try:
        tokenizer = tokie.Tokenizer.from_json(str(tokenizer_json))
    except (tokie.TokieError, ValueError, OSError):
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: list(map(tokenizer.count_tokens, texts))  # its batches wake a thread pool, which costs more
