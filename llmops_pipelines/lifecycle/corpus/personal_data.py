"""Personal data in texts: found by pattern, confirmed by check digits or numbering plans, replaced by a placeholder.

Only counts leave this file. Every pattern is linear: repetitions are bounded and cannot be split in several ways.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable

CODE = "personal data 1"
LIBRARIES = ("phonenumbers", "python-stdnum")

# Where a number without a country prefix may come from, per language of the corpus: the largest numbering plans only.
REGIONS = {"en": ("GB", "US"), "de": ("DE",), "fr": ("FR",), "es": ("ES",), "it": ("IT",), "nl": ("NL",), "pt": ("PT", "BR")}

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u2011-]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.,-])[2-6]\d{3}(?:[ -]?\d){8,14}\d(?![\w-])")
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_PHONE = re.compile(r"(?<![\w.,/-])(?:\+|\()?\d[\d ()./\u2011-]{5,22}\d(?![\w-]|[.,:]\d)")
# A cheap look first, because checking against numbering plans takes 1 ms: tables are full of digits.
_GROUPED = re.compile(r"\(\d|(?<!\d)0\d|(?<!\d)\d{2,3}[ .\u2011-]\d{3}[ .\u2011-]\d{3,4}(?!\d)")


def replace_personal_data(text: str, kinds: Iterable[str], languages: Iterable[str]) -> tuple[str, dict[str, int]]:
    """The text with placeholders such as [email], and how many of each of `kinds` were replaced."""
    regions = tuple(dict.fromkeys(region for language in languages for region in REGIONS.get(language, ())))
    wanted = set(kinds)
    counts = dict.fromkeys(kinds, 0)
    # Phones last: card numbers and IBANs contain digits that look like them.
    for kind, find in (("email", _emails), ("iban", _ibans), ("card", _cards), ("ip", _addresses), ("phone", _phones(regions))):
        if kind in wanted:
            text, counts[kind] = _replace(text, sorted(find(text)), f"[{kind}]")
    return text, counts


Span = tuple[int, int]


def _replace(text: str, spans: list[Span], placeholder: str) -> tuple[str, int]:
    out, place, count = [], 0, 0
    for start, end in spans:
        if start >= place:
            out += [text[place:start], placeholder]
            place, count = end, count + 1
    return "".join([*out, text[place:]]), count


def _emails(text: str) -> list[Span]:
    return [found.span() for found in _EMAIL.finditer(text)] if "@" in text else []


def _ibans(text: str) -> list[Span]:
    """The pattern may run on into following words, so shorter ends are tried until the check digits agree."""
    from stdnum import iban

    spans = []
    for found in _IBAN.finditer(text):
        for end in range(found.end(), found.start() + 14, -1):
            if text[end - 1].isalnum() and iban.is_valid(text[found.start() : end].replace("\u2011", "")):
                spans.append((found.start(), end))
                break
    return spans


def _cards(text: str) -> list[Span]:
    from stdnum import luhn

    return [found.span() for found in _CARD.finditer(text) if luhn.is_valid(re.sub(r"\D", "", found[0]))]


def _addresses(text: str) -> list[Span]:
    """Loopback and unspecified addresses name no one and fill technical manuals; they stay."""
    spans = []
    for found in (*_IP4.finditer(text), *_IP6.finditer(text)):
        if ":" in found[0] and sum(map(bool, found[0].split(":"))) < 3:
            continue
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            spans.append(found.span())
    return spans


def _phones(regions: tuple[str, ...]) -> Callable[[str], list[Span]]:
    def find(text: str) -> list[Span]:
        candidates = list(_PHONE.finditer(text))
        if not candidates:
            return []
        return [span for found in candidates for span in _valid_phones(found[0], found.start(), regions)]

    return find


def _valid_phones(candidate: str, offset: int, regions: tuple[str, ...]) -> list[Span]:
    """Numbers with a country prefix when their plan allows them; others only when written in the groups of their country,
    because ten bare digits are more often a serial number."""
    if not (candidate.startswith("+") or _GROUPED.search(candidate)):
        return []
    from phonenumbers import Leniency, PhoneNumberMatcher

    tries = [(None, Leniency.VALID)] if candidate.startswith("+") else [(r, Leniency.EXACT_GROUPING) for r in regions]
    for region, leniency in tries:
        matches = [
            m for m in PhoneNumberMatcher(candidate, region, leniency) if region is None or re.search(r"\D", m.raw_string)
        ]
        if matches:
            return [(offset + match.start, offset + match.end) for match in matches]
    return []
