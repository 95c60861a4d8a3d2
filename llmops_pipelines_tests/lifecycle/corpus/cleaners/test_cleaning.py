"""Equal texts get one spelling; what one text becomes is one result with a reason; languages are told on good evidence."""

import pickle
import time

import pytest

from llmops_pipelines.config.documents import Cleaning
from llmops_pipelines.lifecycle.corpus.cleaners.cleaning import Preparing, clean, clean_code, identity, prepare, prepare_many
from llmops_pipelines.lifecycle.corpus.cleaners.language import _by_small_words, detect

from ..formats.small_files import SUBJECTS, prose

DEFAULT = Preparing.of(Cleaning())


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
        ("  indented\n\n", "  indented"),
        ("\u3164\u115f“quoted” – naïve", "\u3164“quoted” – naïve"),
    ],
)
def test_clean(raw, expected):
    assert clean(raw) == expected
    assert clean(expected) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("one\n\f\ntwo", "one\n\f\ntwo"),
        ("one\n\n\n\f\n\n\ntwo", "one\n\n\f\n\ntwo"),
        ("one\n  \f  \ntwo", "one\n\f\ntwo"),
        ("one\n\f\n\f\nthree", "one\n\f\n\f\nthree"),  # the second page is empty
        ("\n\f\nsecond\n\f\n\f\n", "\f\nsecond"),  # the first is empty; nothing comes after the second
        ("in\fside", "in\nside"),  # no line of its own: a line end like others
    ],
)
def test_page_marks_keep_pages_countable(raw, expected):
    assert clean(raw) == expected
    assert clean(expected) == expected


def test_code_keeps_indents_tabs_and_spaces():
    code = "def f(x):\n\treturn  x   # twice\n\n\n\nclass A:\n    pass"
    assert clean_code(code.replace("\n", "  \r\n")) == code
    found = prepare("f.py", "|  |\n" * 100, "code", DEFAULT)
    assert found["reason"] == "" and found["language"] == "und" and found["text"].startswith("|  |\n|  |")


def test_hostile_texts_take_no_time():
    start = time.process_time()
    kinds = "|".join(["[a](b)"] * 40_000), "[" * 200_000, "share " * 50_000, "1 2 3 4 5 6 " * 20_000, "0171 " * 40_000
    for text in (
        *("a" + "\u0301\u0323" * 200_000, "x" + " " * 500_000 + "y", "12 " * 100_000, "a@" * 100_000, "1.2." * 100_000),
        *kinds,
        *("\n".join(["```"] * 50_000), "\f\n" * 100_000, "(" * 100_000, "+1 " * 50_000, "ab12" * 50_000, ":" * 200_000),
    ):
        prepare("", text, "text", DEFAULT)
    assert time.process_time() - start < 12


def test_prepare_covers_the_title_too():
    found = prepare("Ask ann@example.org", "Text by bob@example.org.", "markdown", DEFAULT)
    assert found["title"] == "Ask [email]" and found["text"] == "Text by [email]."
    assert {pair["kind"]: pair["count"] for pair in found["replaced"]}["email"] == 2


def test_a_text_with_data_of_a_kind_to_drop_is_not_used_and_nothing_of_it_comes_back():
    settings = Preparing(personal_data=(("email", "drop"), ("iban", "redact")))
    found = prepare("Title", "Write to bob@example.org.", "text", settings)
    assert (found["reason"], found["detail"], found["text"], found["title"]) == ("personal_data_email", "1 found", "", "")
    assert prepare("Title", "Write to nobody.", "text", settings)["reason"] == ""


def test_one_text_that_cannot_be_cleaned_costs_no_other():
    found = prepare_many([("a", "fine", "text"), ("b", None, "text"), ("c", "fine too", "text")], DEFAULT)  # type: ignore[list-item]
    assert [item["reason"] for item in found] == ["", "cleaner_failed", ""]
    assert found[1]["detail"] == "AttributeError" and found[2]["text"] == "fine too"


def test_settings_travel_and_the_identity_follows_what_matters():
    assert pickle.loads(pickle.dumps(DEFAULT)) == DEFAULT
    same = Preparing.of(Cleaning(minimum_characters=7))
    other = Preparing.of(Cleaning(quality={"letters": 0.4}))
    assert identity(DEFAULT) == identity(same) != identity(other)
    assert identity(DEFAULT) != identity(Preparing.of(Cleaning(personal_data={"email": "mask"})))


def test_ordinary_texts_pass_unchanged():
    for subject in SUBJECTS:
        assert prepare("T", prose(subject), "text", DEFAULT) | {"replaced": []} == {
            "title": "T",
            "text": prose(subject),
            "language": "en",
            "replaced": [],
            "reason": "",
            "detail": "",
        }


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The ferry leaves the harbour at nine and comes back at night, when all the lamps of the quay are lit."),
        ("fr", "Le bateau part le matin et revient le soir, quand toutes les lampes du port sont allumées par le gardien."),
        ("de", "Die Fähre fährt am Morgen ab und kommt am Abend zurück, wenn auf dem Kai alle Lampen des Hafens leuchten."),
        ("es", "El barco sale por la mañana y vuelve por la noche, cuando todas las luces del puerto están encendidas."),
        ("it", "La nave parte la mattina e torna la sera, quando tutte le luci del porto sono accese dal guardiano."),
        ("nl", "De veerboot vertrekt om negen uur en komt in de avond terug, als alle lampen van de kade branden."),
        ("pt", "O barco parte de manhã e volta à noite, quando todas as luzes do porto estão acesas pelo guarda."),
        (
            "ru",
            "Паром уходит утром и возвращается вечером, когда на набережной горят все фонари старого порта, "
            "а пассажиры ждут его на причале и говорят о погоде, о рыбе и о том, что было вчера.",
        ),
        ("und", "| 48 | 24 | 165 |\n" * 50),
        ("und", "Too short."),
    ],
)
def test_language(language, text):
    assert detect(text) == language


def test_a_text_in_two_languages_is_not_called_by_the_small_words_of_one():
    english = "The ferry of the island leaves at nine and comes back to the quay by night with all of their lamps lit for you."
    german = (
        "Die Fähre von der Insel fährt um neun und ist bei Nacht mit den Lampen auf dem Kai für eine Stunde nicht zu sehen."
    )
    assert _by_small_words(f"{english} {english}") == "en" and _by_small_words(f"{german} {german}") == "de"
    assert _by_small_words(f"{english} {german}") is None
