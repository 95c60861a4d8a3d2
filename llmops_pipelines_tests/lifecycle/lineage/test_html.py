"""The page as a file: what stands on it, and that nothing in a document can act in a browser."""

from html.parser import HTMLParser

import pytest

from llmops_pipelines.lifecycle.lineage.html import render
from llmops_pipelines.lifecycle.lineage.markup import element
from llmops_pipelines.lifecycle.lineage.page import Bars, Cell, Edit, Facts, Page, Series, Table

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \"' onload=alert(1) \x1b[0m \u202e"
VOID = {"meta", "br", "rect", "line", "path", "polyline"}


class Read(HTMLParser):
    """What a browser would make of it: elements, attributes and text, and whether everything was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(*blocks, **said) -> Read:
    return Read(render(Page(**{"title": "a page", "answer": "all is well", "blocks": blocks, **said})))


def test_every_block_is_on_the_page_and_every_element_is_closed():
    page = read(
        Facts("facts", {"documents": 3}),
        Table("table", ["name", "score"], [["a", 0.5], ["b", None]], more="2 more"),
        Edit("edit", [(" ", "kept"), ("-", "gone"), ("+", "new")]),
        Bars("bars", [("documents", -0.25, -0.5, -0.125), ("prompt", 0.0, None, None)], "token_f1"),
        Series("series", ["r1", "r2", "r3"], [0.5, None, 0.25], [2]),
        next=[("go back", "llmops release rollback shop")],
    )
    text = "".join(page.text)
    for told in (
        "all is well",
        "documents",
        "0.500",
        "2 more",
        "gone",
        "-0.250 token_f1",
        "-0.500 to -0.125",
        "r3",
        "rollback",
    ):
        assert told in text
    assert page.tags.count("svg") == 3 and page.tags.count("h2") == 5 and not page.open


@pytest.mark.parametrize(
    "block",
    [
        Facts(HOSTILE, {HOSTILE: HOSTILE}),
        Table(HOSTILE, [HOSTILE], [[HOSTILE], [Cell(HOSTILE, "bad")]], more=HOSTILE),
        Edit(HOSTILE, [("-", HOSTILE), ("+", f"{HOSTILE} and more"), (" ", HOSTILE)]),
        Bars(HOSTILE, [(HOSTILE, 0.5, 0.25, 0.75)], HOSTILE),
        Series(HOSTILE, [HOSTILE, HOSTILE], [0.5, 0.25], [1]),
    ],
    ids=lambda block: type(block).__name__,
)
def test_what_documents_hold_is_text_and_nothing_else(block):
    page = read(block, title=HOSTILE, answer=HOSTILE, next=[(HOSTILE, HOSTILE)])
    assert not {"script", "img"} & {*page.tags}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "\x1b" not in "".join(page.text) and "\u202e" not in "".join(page.text)
    assert "<script>alert(1)</script>" in "".join(page.text)


def test_a_page_needs_no_network_and_no_script():
    page = read(Facts("facts", {"a": 1}))
    assert not {"script", "link", "iframe", "img"} & {*page.tags}
    assert not [name for name, value in page.attributes if name in ("src", "srcset") or (value or "").startswith("http")]
    assert "url(" not in "".join(page.text)
    assert ("name", "viewport") in page.attributes


def test_a_long_page_has_a_table_of_contents_that_leads_to_its_blocks():
    few, many = [read(*(Facts(f"part {n}", {}) for n in range(count))) for count in (2, 6)]
    assert "nav" not in few.tags
    targets = {value for name, value in many.attributes if name == "id"}
    assert [value[1:] in targets for name, value in many.attributes if name == "href"] == [True] * 6


def test_words_that_differ_stand_out_in_a_line_that_was_replaced():
    text = render(Page("a", "b", [Edit("ferry", [("-", "It carries 120 cars."), ("+", "It carries 210 cars.")])]))
    assert ">It carries <mark>120</mark> cars.</del>" in text and ">It carries <mark>210</mark> cars.</ins>" in text
    alone = render(Page("a", "b", [Edit("ferry", [("+", "A new line.")])]))
    assert "<mark>" not in alone


def test_bars_share_one_zero_and_show_whether_they_are_sure():
    text = render(Page("a", "b", [Bars("", [("down", -1.0, -1.5, -0.5), ("up", 1.0, -0.5, 2.5)])]))
    assert 'class="below"' in text and 'class="unsure"' in text and 'class="above"' not in text
    assert text.count('x1="38" y1="0" x2="38"') == 2


def test_a_series_has_gaps_where_nothing_was_measured():
    text = render(Page("a", "b", [Series("", list("abcde"), [1.0, 2.0, None, 3.0, float("nan")], [])]))
    assert text.count("<polyline") == 1
    assert "nothing was measured" in render(Page("a", "b", [Series("", ["a"], [None])]))


def test_an_element_escapes_its_attributes_and_leaves_out_empty_ones():
    assert element("p", "a<b", class_="", title='"x"', hidden=True, x=0.0) == '<p title="&quot;x&quot;" hidden x="0">a&lt;b</p>'
