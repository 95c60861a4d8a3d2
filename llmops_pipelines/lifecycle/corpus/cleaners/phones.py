"""Phone numbers as people write them, confirmed by the numbering plan of a country.

A number with a country prefix is one wherever it stands. Others must look like one: a trunk zero or an area code with the
separators of their country, or a word such as `Tel.` before them; ten bare digits are more often a serial number.
"""

import re

CODE = "phones 1"

# Where a number without a country prefix may come from, per language of the corpus.
REGIONS = {
    "en": ("GB", "US", "IE", "AU", "NZ", "ZA", "IN"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH"),
    "es": ("ES", "MX", "AR"),
    "it": ("IT",),
    "nl": ("NL", "BE"),
    "pt": ("PT", "BR"),
}
NEARBY = 30  # characters before a number in which a word may say what it is

_CANDIDATE = re.compile(r"(?<![\w.,/-])(?:\+ ?\(?|\()?\d[\d ()./\u2010-\u2013-]{5,22}\d(?![\w-]|[.,:]\d)")
_NAMED = re.compile(
    r"(?:\b(?:tel|phones?|telephone|call|ring|dial|fax|mobile|mob|cell|hotline|helpline|whatsapp|sms|text|contact|"
    r"telefon|telefonnummer|handy|mobil|rufnummer|anruf|fon|t\u00e9l|t\u00e9l\u00e9phone|portable|appel\w*|"
    r"tel\u00e9fono|m\u00f3vil|llam\w+|telefono|cellulare|cell|telefoon|mobiel|bel|telem\u00f3vel|telefone|celular)\b"
    r"|[\u260e\u2706\U0001f4de\U0001f4f1])[^\d\n]*$"
)
_OTHERWISE_NAMED = re.compile(
    r"\b(?:isbn|issn|doi|serial|part|order|invoice|version|art|item|ref|sku|ean|batch|lot|model|rfc|iso|din|ticket|"
    r"bestell\w*|rechnung\w*|artikel\w*|seriennummer|commande|facture|pedido|factura|ordine|fattura)\b[^\d\n]{0,12}$"
)
_NO_PHONE = re.compile(
    r"\d{1,4}([-./ ])\d{1,2}\1\d{1,4}|"  # dates
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4} \d{1,2}\.?\d{0,2}|"
    r"\d+\.\d+|"  # decimals
    r"\d{1,2}\.\d{2} ?[-\u2013] ?\d{1,2}\.\d{2}|"  # times
    r"(?!0[1-9]\.)(?:\d{1,2}\.){2,4}\d{1,2}|"  # versions
    r"[12]\d{3}[ \u2013-]+[12]\d{3}|\d{4}(?:[ \u2013-]\d{4}){2,}|\d{4}/\d{2,4}|"  # years
    r"[1-9]\d{0,2}(?:[. ]\d{3})+|"  # thousands
    r"0{2,}[\d -]*"
)
_AREA = re.compile(r"\(0?\d{1,5}\) ?\d[\d .\u2010-\u2013-]{4,}|\(?[2-9]\d{2}\)?([-. ])[2-9]\d{2}[-. ]\d{4}")
_GROUPED = re.compile(  # Spain and Portugal have no trunk zero
    r"[6-9]\d{2}([ .-])\d{2}\1\d{2}\1\d{2}|[89]\d([ .-])\d{3}\2\d{2}\2\d{2}|2\d([ .-])\d{3}\3\d{4}"
)
_TRUNK = re.compile(r"0[1-9]\d{0,4}(?: ?/ ?|[ .\u2010-\u2013-])\d[\d ./\u2010-\u2013-]{4,}")


def find(text: str, languages: tuple[str, ...]) -> list[tuple[int, int]]:
    """Where phone numbers stand."""
    spans = []
    for found in _CANDIDATE.finditer(text):
        before = text[max(0, found.start() - NEARBY) : found.start()].lower()
        number, start = found[0], found.start()
        if (number[0] == "(") and number.count("(") > number.count(")"):
            number, start = number[1:], start + 1
        for first, last in _valid(number.rstrip(" ("), before, languages):
            spans.append((start + first, start + last))
    return spans


def _valid(number: str, before: str, languages: tuple[str, ...]) -> list[tuple[int, int]]:
    if number.startswith("+"):
        return _parsed(number, None) or _within(number, None)
    if _OTHERWISE_NAMED.search(before):
        return []
    digits = sum(map(str.isdigit, number))
    if number.startswith("00") and digits > 9:
        return [(0, len(number))] if _parsed("+" + number[2:].lstrip(), None) else []
    named = bool(_NAMED.search(before))
    if not named and (
        _NO_PHONE.fullmatch(number) or not (_AREA.fullmatch(number) or _TRUNK.fullmatch(number) or _GROUPED.fullmatch(number))
    ):
        return []
    spoken = [region for language in languages for region in REGIONS.get(language, ())]
    others = [region for regions in REGIONS.values() for region in regions] if named else []
    for region in dict.fromkeys([*spoken, *others]):
        if found := _parsed(number, region):
            return found
        if digits > 13 and (found := _within(number, region)):
            return found
    return []


def _parsed(number: str, region: str | None) -> list[tuple[int, int]]:
    """The whole of `number`, when the plan of its country has it."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return []
    return [(0, len(number))] if phonenumbers.is_valid_number(parsed) else []


def _within(number: str, region: str | None) -> list[tuple[int, int]]:
    """Several numbers in a row."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    return [(found.start, found.end) for found in PhoneNumberMatcher(number, region, Leniency.VALID)]
