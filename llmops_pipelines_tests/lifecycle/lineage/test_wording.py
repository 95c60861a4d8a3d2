from llmops_pipelines.lifecycle.lineage.page import Cell
from llmops_pipelines.lifecycle.lineage.wording import cell, harmless, interval, number, numeric


def test_numbers_have_the_digits_that_mean_something():
    assert [number(each) for each in (0.81234, -0.1, 1234.56, 1_000_000, 0.0000123, 0.0)] == [
        "0.812", "-0.100", "1,234.6", "1,000,000", "1.2e-05", "0.000",
    ]  # fmt: skip
    assert number(float("nan")) == "not measured"


def test_characters_that_act_on_a_reader_are_written_out():
    assert harmless("\x1b[31mred\x07") == "<U+001B>[31mred<U+0007>"
    assert harmless("invoice\u202efdp.exe") == "invoice<U+202E>fdp.exe"
    assert harmless("a\ttab,\na line, ein Wörtchen, 日本語") == "a\ttab,\na line, ein Wörtchen, 日本語"


def test_a_value_becomes_a_cell():
    assert [cell(each).text for each in (None, True, 3, 0.5, "x", Cell("y"))] == ["–", "yes", "3", "0.500", "x", "y"]
    assert cell(Cell("\x1b", "bad")) == Cell("<U+001B>", "bad")


def test_only_numbers_stand_at_the_right():
    assert all(numeric(each) for each in (1, 0.5, Cell("-0.108"), Cell("12 %")))
    assert not any(numeric(each) for each in (None, True, "12", Cell("9f3a77"), Cell("within noise")))


def test_an_interval_in_words():
    assert interval(-0.1, 0.25) == "-0.100 to 0.250"
    assert interval(None, 0.25) == ""
