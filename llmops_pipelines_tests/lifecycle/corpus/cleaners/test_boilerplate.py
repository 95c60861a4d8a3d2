"""What web pages and printed pages add to every text goes; what looks like it and is meant for readers stays."""

import time

import pytest

from llmops_pipelines.lifecycle.corpus.cleaners.boilerplate import without_boilerplate

from ..formats.small_files import prose

BODY = f"# Harbour rules\n\n{prose('harbour', 3)}\n\n{prose('ferry', 3)}"


@pytest.mark.parametrize(
    "line",
    [
        "Back to top",
        "[↑ Back to top](#top)",
        "Skip to main content",
        "Share this page: Facebook | Twitter | LinkedIn",
        "Share on Facebook",
        "Facebook Twitter WhatsApp E-Mail",
        "- [Facebook](https://f.example/x) - [Twitter](https://t.example) - [LinkedIn](https://l.example)".replace(" - ", ", "),
        "Zum Inhalt springen",
        "We use cookies to improve your experience. By continuing you agree to our policy.",
        "This website uses cookies. Accept all or change your preferences.",
        "Diese Webseite verwendet Cookies. Mit der Nutzung sind Sie einverstanden.",
        "Home | About us | Contact | Login",
        "[Home](/) [News](/news) [Contact](/contact) [Sign in](/login)",
    ],
)
def test_lines_that_are_nothing_else_go(line):
    for text in (f"{line}\n\n{BODY}", f"{BODY}\n\n{line}"):
        assert without_boilerplate(text).strip() == BODY


def test_buttons_beside_a_cookie_notice_go_with_it():
    notice = "We use cookies on this site, with your consent.\n\nAccept all\n\nReject all\n\nCookie settings"
    assert without_boilerplate(f"{notice}\n\n{BODY}").strip() == BODY
    alone = f"{BODY}\n\nAccept all\n\nof the rules above."
    assert without_boilerplate(alone) == alone


def test_a_menu_at_an_end_goes():
    menu = "\n".join(f"- [{name}](/{n})" for n, name in enumerate(["Home", "About us", "Fleet", "Contact", "Sitemap", "Login"]))
    assert without_boilerplate(f"{menu}\n\n{BODY}\n\n{menu}").strip() == BODY


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        f"{BODY}\n\n## Further reading\n\n" + "\n".join(f"- [Rule {n}](rules/{n}.md)" for n in range(12)),
        "\n".join(f"- [Lamp of {name}]({name}.md)" for name in ("Tolm", "Vassa", "Help", "Contact", "Ness", "Skerrin")),
        f"{BODY}\n\nOur web server sets cookies for the session; the handbook explains which, and how long they live.",
        f"{BODY}\n\nCrews share on Facebook what they must not: never post pictures of passengers.",
        f"{BODY}\n\n| Home | Contact | Login |\n|---|---|---|\n| a | b | c |",
        f"{BODY}\n\nAt the top of the page stands the date, and back to top speed goes the engine.",
        "Share\n\nThe share of the company in the ferry is a fifth, " + prose("ferry"),
        f"{BODY}\n\n```\nBack to top\nHome | About us | Login\n```\n\nThat is what a page ends with.",
        "## Help\n\n## Contact\n\n## News\n\n## Jobs\n\n" + BODY,
    ],
)
def test_what_readers_came_for_stays(text):
    kept = without_boilerplate(text)
    assert kept == text or text.startswith("Share\n") and kept.strip() == text.removeprefix("Share\n\n")


def pages(count: int, head: str = "", foot: str = "") -> str:
    subjects = ["harbour", "lighthouse", "ferry", "timetable", "engine", "ticket"]
    return "\n\f\n".join(f"{head}\n{prose(s, 2)}\n{prose(s, 3)}\n{foot.format(n=n)}" for n, s in enumerate(subjects[:count]))


def test_lines_repeated_at_the_ends_of_pages_go_and_pages_stay_countable():
    text = pages(5, "Skerrin Isles Authority", "Confidential, page {n} of 5")
    kept = without_boilerplate(text)
    assert "Authority" not in kept and "page" not in kept
    assert kept.count("\f") == 4 and prose("engine", 3) in kept


def test_lines_repeated_on_few_pages_or_in_tables_and_headings_stay():
    assert "Authority" in without_boilerplate(pages(2, "Skerrin Isles Authority", "{n}"))
    assert without_boilerplate(pages(5, "| Port | Hour |", "# Rules")) == pages(5, "| Port | Hour |", "# Rules")


def test_many_lines_take_no_time():
    start = time.process_time()
    for line in ("[a](b) | [c](d) | e", "Share on x x x x", "We use " + "cookies " * 60, "x" * 100 + " top"):
        without_boilerplate("\n".join([line] * 5_000))
    assert time.process_time() - start < 5
