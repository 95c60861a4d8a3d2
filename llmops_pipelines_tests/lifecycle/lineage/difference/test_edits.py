import time

from llmops_pipelines.lifecycle.lineage.difference.edits import GAP, changed, edit


def test_lines_that_differ_stand_between_what_is_beside_them():
    before, after = "one\ntwo\nthree\nfour\nfive", "one\ntwo\n3\nfour\nfive"
    assert edit(before, after) == ((" ", GAP), (" ", "two"), ("-", "three"), ("+", "3"), (" ", "four"), (" ", GAP))


def test_a_long_line_is_told_by_sentences():
    rest = "It was built in Leith and has two decks, a lounge, and a room for dogs, which few passengers ever find."
    before = f"MV Ardent sails from Oban. It carries 120 cars. {rest}"
    lines = edit(before, before.replace("120", "210"))
    assert [line for line in lines if line[0] != " "] == [("-", "It carries 120 cars."), ("+", "It carries 210 cars.")]


def test_what_is_far_from_a_change_is_left_out():
    before = [f"line {n}" for n in range(50)]
    after = [*before]
    after[10], after[40] = "ten", "forty"
    lines = edit("\n".join(before), "\n".join(after))
    assert [text for sign, text in lines if sign == "+"] == ["ten", "forty"]
    assert sum(text == GAP for _, text in lines) == 3 and len(lines) == 11


def test_equal_texts_have_no_edit():
    assert edit("a\n\nb", "a\nb\n") == ()
    assert changed(edit("a", "abc")) == 4


def test_a_text_that_is_new_or_gone():
    assert edit("", "a\nb") == (("+", "a"), ("+", "b"))
    assert edit("a", "") == (("-", "a"),)


def test_two_huge_texts_without_a_line_in_common_take_no_minutes():
    before, after = ("\n".join(f"{word} {n}" for n in range(30_000)) for word in ("old", "new"))
    started = time.perf_counter()
    assert len(edit(before, after)) == 60_000
    assert time.perf_counter() - started < 2
