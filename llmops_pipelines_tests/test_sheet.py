"""A page in the terminal."""

from rich.console import Console

from llmops_pipelines.lifecycle.lineage.page import Bars, Cell, Edit, Facts, Page, Series, Table
from llmops_pipelines.sheet import lines


def shown(*blocks, **said) -> str:
    console = Console(width=100, record=True, file=None, highlight=False)
    with console.capture() as printed:
        for each in lines(Page(**{"title": "a page", "answer": "all is well", "blocks": blocks, **said})):
            console.print(each)
    return printed.get()


def test_every_block_is_shown():
    text = shown(
        Facts("facts", {"documents": 3}),
        Table("table", ["name", "score"], [["a", 0.5], ["b", Cell("worse", "bad")]], more="2 more"),
        Table("empty", ["name"], []),
        Edit("edit", [(" ", "kept"), ("-", "gone"), ("+", "new")]),
        Bars("bars", [("documents", -0.25, -0.5, -0.125), ("prompt", 0.125, None, None)], "token_f1"),
        Series("series", ["r1", "r2", "r3"], [0.5, None, 0.25], [2]),
        next=[("go back", "llmops release rollback shop")],
    )
    for told in (
        "a page",
        "all is well",
        "documents",
        "0.500",
        "worse",
        "2 more",
        "none",
        "- gone",
        "+ new",
        "-0.250 token_f1",
    ):
        assert told in text
    assert "█" * 24 in text and "█" * 12 in text and "-0.500 to -0.125" in text
    assert "█ ▁" in text and "r3  0.250" in text
    assert "go back: llmops release rollback shop" in text


def test_brackets_are_no_styles_and_control_characters_do_nothing():
    text = shown(Facts("f", {"[red]name[/red]": "[bold]x[/bold] \x1b[31m"}), title="[blink]t[/blink]")
    assert "[blink]t[/blink]" in text and "[red]name[/red]" in text and "[bold]x[/bold]" in text
    assert "\x1b[31m" not in text and "<U+001B>" in text
