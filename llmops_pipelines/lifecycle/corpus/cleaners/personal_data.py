"""Personal data in texts: found by pattern, confirmed by check digits or numbering plans, then redacted or masked.

Only counts leave this file. Every pattern is linear: repetitions are bounded and cannot be split in several ways.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from . import names, national_ids, phones

CODE = f"personal data 2, {phones.CODE}"
LIBRARIES = ("phonenumbers", "python-stdnum")

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u2011-]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.,-])[2-6]\d{3}(?:[ -]?\d){8,14}\d(?![\w-])")
_ISSUED = re.compile(  # lengths and beginnings that card companies use
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|"
    r"35\d{14}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}|(?:50|5[6-9]|6[0-9])\d{10,17}"
)
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
# Cheap looks first: most texts have no number of six digits, however written.
_DOTTED = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")


class Span(NamedTuple):
    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Finder:
    """Finds the wanted kinds. `languages` say which countries' phone numbers stand without a prefix."""

    kinds: tuple[str, ...]
    languages: tuple[str, ...] = ("en",)
    names_model: str | None = None

    def spans(self, text: str) -> list[Span]:
        """What was found, in order of place; nothing overlaps. Kinds with check digits come before those without."""
        found: list[Span] = []
        for kind, find in self._finders(text):
            if kind in self.kinds:
                spans = [Span(start, end, kind) for start, end in find(text)]
                for span in spans:  # what is found is hidden from the kinds that follow; places stay
                    text = f"{text[: span.start]}{chr(0) * (span.end - span.start)}{text[span.end :]}"
                found += spans
        return sorted(found)

    def _finders(self, text: str) -> Iterator[tuple[str, Callable[[str], list[tuple[int, int]]]]]:
        if "@" in text:
            yield "email", lambda text: [m.span() for m in _EMAIL.finditer(text)]
        numbers = bool(national_ids.NUMBERS.search(text))
        if numbers:
            yield "iban", _ibans
            yield "card", _cards
            yield "national_id", national_ids.find
        if _DOTTED.search(text) or _COLONS.search(text):
            yield "ip", _addresses
        if numbers:
            yield "phone", lambda text: phones.find(text, self.languages)
        if self.names_model:
            yield "name", lambda text: names.find(text, self.names_model)


def replaced(text: str, spans: list[Span], treatments: dict[str, str]) -> str:
    """The text with `[kind]` in place of what is redacted, and a few characters left of what is masked."""
    out, place = [], 0
    for start, end, kind in spans:
        masked = treatments.get(kind) == "mask"
        out += [text[place:start], _MASKS[kind](text[start:end]) if masked else f"[{kind}]"]
        place = end
    return "".join([*out, text[place:]])


def _last(count: int, prefix: str = "***") -> Callable[[str], str]:
    return lambda value: prefix + re.sub(r"[\W_]", "", value)[-count:]


_MASKS: dict[str, Callable[[str], str]] = {
    "email": lambda value: f"{value[0]}***@***",
    "iban": lambda value: f"{value[:2].upper()}***{re.sub(r'[^A-Za-z0-9]', '', value)[-4:]}",
    "card": _last(4),
    "ip": lambda value: f"{re.split(r'[.:]', value)[0]}.***" if "." in value else f"{value.split(':')[0]}:***",
    "phone": _last(2),
    "national_id": _last(2),
    "name": lambda value: " ".join(f"{word[0]}***" for word in value.split()),
}


def _ibans(text: str) -> list[tuple[int, int]]:
    """The pattern may run on into following words, so shorter ends are tried until the check digits agree."""
    from stdnum import iban

    spans = []
    for found in _IBAN.finditer(text):
        for end in range(found.end(), found.start() + 14, -1):
            if text[end - 1].isalnum() and iban.is_valid(text[found.start() : end].replace("\u2011", "")):
                spans.append((found.start(), end))
                break
    return spans


def _cards(text: str) -> list[tuple[int, int]]:
    from stdnum import luhn

    digits = ((found, re.sub(r"\D", "", found[0])) for found in _CARD.finditer(text))
    return [found.span() for found, number in digits if _ISSUED.fullmatch(number) and luhn.is_valid(number)]


def _addresses(text: str) -> list[tuple[int, int]]:
    """Loopback and unspecified addresses name no one and fill technical manuals; they stay."""
    spans = []
    for found in (*_IP4.finditer(text), *(_IP6.finditer(text) if _COLONS.search(text) else ())):
        if ":" in found[0] and sum(map(bool, found[0].split(":"))) < 3:
            continue
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            spans.append(found.span())
    return spans
