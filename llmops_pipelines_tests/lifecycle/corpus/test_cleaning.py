"""Equal texts get one spelling; personal data becomes placeholders; languages are told apart only on good evidence."""

import time

import pytest

from llmops_pipelines.lifecycle.corpus.cleaning import clean, prepare
from llmops_pipelines.lifecycle.corpus.language import detect
from llmops_pipelines.lifecycle.corpus.personal_data import replace_personal_data

KINDS = ("email", "phone", "iban", "card", "ip")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("cafe\u0301", "café"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("har\u00adbour\u200b \u202eopen\u202c\ufeff", "harbour open"),
        ("a\x00b\x07c", "abc"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("two  spaces\u00a0 and\ttab   ", "two spaces and tab"),
        ("# A\n\n\n\n\nb", "# A\n\nb"),
        ("- a\n  - b\n\t- c", "- a\n  - b\n    - c"),
        ("```\nx  =  1\n```", "```\nx  =  1\n```"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    ],
)
def test_clean(raw, expected):
    assert clean(raw) == expected
    assert clean(expected) == expected


def test_hostile_texts_take_no_time():
    start = time.perf_counter()
    for text in ("a" + "\u0301\u0323" * 200_000, "x" + " " * 500_000 + "y", "12 " * 100_000, "a@" * 100_000, "1.2." * 100_000):
        replace_personal_data(clean(text), KINDS, ("en",))
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.o+b@mail.example.org.", "write to [email]."),
        ("account DE89 3704 0044 0532 0130 00 AND more", "account [iban] AND more"),
        ("card 4111 1111 1111 1111, paid", "card [card], paid"),
        ("call +44 20 7946 0958 or (650) 253-0000", "call [phone] or [phone]"),
        ("from 192.0.2.17 and 2001:db8::8a2e:370:7334", "from [ip] and [ip]"),
    ],
)
def test_personal_data_is_replaced(text, expected):
    replaced, counts = replace_personal_data(text, KINDS, ("en",))
    assert replaced == expected
    assert sum(counts.values()) == replaced.count("[")


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112 has wrong check digits, and so has DE88 3704 0044 0532 0130 00",
        "localhost is 127.0.0.1, the clock says 12:30:45 on 2031-05-01, part 6502530000, 240,000 kr",
        "open 07:30-11:00, founded 1976 1994 2011, section 1.2.3, ISBN 978-3-16-148410-0",
    ],
)
def test_numbers_that_name_no_one_stay(text):
    assert replace_personal_data(text, KINDS, ("en",))[0] == text


def test_only_the_wanted_kinds_are_replaced():
    assert replace_personal_data("a@example.org, 192.0.2.1", ("ip",), ("en",)) == ("a@example.org, [ip]", {"ip": 1})


def test_prepare_covers_the_title_too():
    found = prepare("Ask ann@example.org", "Text by bob@example.org.", ("email",), ("en",))
    assert found["title"] == "Ask [email]" and found["replaced"] == [{"kind": "email", "count": 2}]


def test_language():
    assert (
        detect("The ferry leaves the harbour at nine and comes back at night, when all the lamps of the quay are lit.") == "en"
    )
    assert (
        detect("Le bateau part le matin et revient le soir, quand toutes les lampes du port sont allumées par le gardien.")
        == "fr"
    )
    assert detect("| 48 | 24 | 165 |\n" * 50) == detect("Too short.") == "und"
