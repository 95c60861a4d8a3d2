"""Numbers that states give to people. Check digits confirm them; what chance could produce needs its name nearby."""

import re
from dataclasses import dataclass
from functools import lru_cache

CODE = "national ids 1"
NEARBY = 60  # characters before the number in which the word may stand

# Six digits with little between them, or the middle of an Italian codice fiscale.
NUMBERS = re.compile(r"[0-9](?:(?:[^\w\n]{0,3}[0-9]){5}|[0-9][A-EHLMPRST][0-9]{2}[A-Z][0-9])")


@dataclass(frozen=True)
class Scheme:
    """How one country's numbers look, the python-stdnum module that checks them, and the word that must stand nearby."""

    pattern: str
    check: str = ""
    nearby: str = ""


SCHEMES = (
    Scheme(r"\d{3}-\d{2}-\d{4}", "us.ssn"),
    Scheme(r"\d{3} ?\d{2} ?\d{4}", "us.ssn", r"\bssn\b|social security"),
    Scheme(r"9\d{2}-\d{2}-\d{4}", "us.itin"),
    Scheme(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{2} \d{2} \d{2} [A-D]"),
    Scheme(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]?", "", r"national insurance|\bnino\b|\bni (?:number|no)\b"),
    Scheme(r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", r"\bnhs\b"),
    Scheme(r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", r"steuer|\bidnr\b|\btin\b|\btax\b"),
    Scheme(r"\d{2} ?\d{6} ?[A-Z] ?\d{3}", "", r"versicherung|\brvnr\b|\bsvnr\b"),
    Scheme(r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", "fr.nir"),
    Scheme(r"\d{8}-?[A-Z]", "es.dni"),
    Scheme(r"[XYZ]-?\d{7}-?[A-Z]", "es.nie"),
    Scheme(r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
    Scheme(r"\d{9}|\d{4}\.\d{2}\.\d{3}", "nl.bsn", r"\bbsn\b|burgerservice|sofinummer"),
    Scheme(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn"),
    Scheme(r"\d{11}", "pl.pesel", r"\bpesel\b"),
    Scheme(r"\d{9}|\d{3} \d{3} \d{3}", "pt.nif", r"\bnif\b|contribuinte"),
    Scheme(r"(?:19|20)?\d{6}[-+]\d{4}", "se.personnummer"),
    Scheme(r"\d{6}[-+A]\d{3}[0-9A-Y]", "fi.hetu"),
    Scheme(r"\d{6}-?\d{4}", "", r"\bcpr\b"),  # newer Danish numbers have no check digit
    Scheme(r"\d{6} ?\d{5}", "no.fodselsnummer", r"f\u00f8dsels|personnummer|\bfnr\b"),
    Scheme(r"\d{7}[A-W][A-IW]?", "ie.pps", r"\bppsn?\b"),
    Scheme(r"756\.\d{4}\.\d{4}\.\d{2}", "ch.ssn"),
    Scheme(r"\d{4} ?\d{6}", "at.vnr", r"versicherung|\bsvnr\b|\bvsnr\b"),
    Scheme(r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf"),
    Scheme(r"\d{4} \d{4} \d{4}", "in_.aadhaar", r"aadhaar"),
    Scheme(r"\d{17}[\dX]", "cn.ric"),
)


def find(text: str) -> list[tuple[int, int]]:
    """Where numbers of people stand. Only the surroundings of digits are looked at."""
    spans: list[tuple[int, int]] = []
    for window in NUMBERS.finditer(text):
        if spans and window.start() < spans[-1][1]:
            continue
        start, end = max(0, window.start() - 12), min(len(text), window.end() + 16)
        spans += _in_window(text, start, end, spans[-1][1] if spans else 0)
    return spans


def _in_window(text: str, start: int, end: int, after: int) -> list[tuple[int, int]]:
    for pattern, scheme in _compiled():
        for found in pattern.finditer(text, max(start, after), end):
            if found.end() < len(text) and (text[found.end()].isalnum() or text[found.end()] == "_"):
                continue  # the window ended here, not the number
            nearby = text[max(0, found.start() - NEARBY) : found.start()].lower()
            if scheme.nearby and not re.search(scheme.nearby, nearby):
                continue
            if not scheme.check or _checker(scheme.check).is_valid(found[0]):
                return [found.span()]
    return []


@lru_cache(maxsize=1)
def _compiled() -> list[tuple[re.Pattern[str], Scheme]]:
    return [(re.compile(rf"(?<![\w.,-])(?:{scheme.pattern})(?![\w-]|[.,]\d)"), scheme) for scheme in SCHEMES]


@lru_cache(maxsize=32)
def _checker(module: str):
    from importlib import import_module

    return import_module(f"stdnum.{module}")
