"""Tables keep their header, code its definitions, and what fits into a passage is not cut."""

import pytest

from llmops_pipelines.lifecycle.index.chunkers import code_blocks, tables

from .test_chunking import BY, chunker

HEADER = "| Name | Default |\n|---|---:|\n"
SOURCES = {
    "python": (
        "import re\n\n\n@cache\ndef f(x):\n    return x\n\n\nclass A:\n    def g(self):\n        pass\n",
        "def f, class A > def g",
    ),
    "java": (
        "/** Doc. */\npublic class A extends B {\n  @Override\n  public static int f(int a) {\n  }\n}\n",
        "class A > int f",
    ),
    "go": ("type T struct {\n\tx int\n}\n\nfunc (t *T) Name() string {\n}\n", "type T, func (t *T) Name"),
    "rust": ("pub struct P;\n\nimpl<T> Foo for P {\n    pub(crate) fn run(&self) {}\n}\n", "struct P, impl<T> Foo > fn run"),
    "javascript": ("export const add = (a, b) => a + b\n\nexport default async function go(a) {\n}\n", "add, function go"),
    "c": ("#include <a.h>\n\nstatic int *name(char *c)\n{\n  return f(c);\n}\n", "static int *name"),
    "sql": (
        "CREATE TABLE a (x int);\n\ncreate or replace function f(x int) as 1;\n",
        "CREATE TABLE a, create or replace function f",
    ),
    "prose": ("The class of things is large.\nfunction that returns\nSome text (with this)\n", ""),
}


def cut(text: str, form: str = "markdown", **words) -> list[tuple[str, str, str]]:
    """(passage, heading, lead) of each passage."""
    passages = chunker(**words).cut([text], [form])[0]
    return [(text[p.start : p.end], p.heading, p.lead) for p in passages]


def test_a_long_table_is_cut_between_rows_and_each_part_knows_the_header() -> None:
    text = f"# Options\n\n{HEADER}" + "".join(f"| option_{n} | {n} |\n" for n in range(40)) + "\nAfter the table."
    first, *others = cut(text, tokens=48)
    assert first[0].startswith("# Options\n\n| Name") and first[2] == ""
    inside = [part for part in others if part[0].startswith("|")]
    assert len(inside) > 4 and {lead for _, _, lead in inside} == {"Name | Default"}
    assert all(line.count("|") == 3 for part in inside for line in part[0].splitlines() if line.startswith("| option"))
    assert cut("Some text.", tokens=48)[0][2] == ""


def test_header_and_rows_together_fit_into_the_budget_even_when_the_header_is_long() -> None:
    text = "| " + " | ".join(f"column number {n}" for n in range(60)) + " |\n|---|---|\n" + "| a | b |\n" * 60
    cutter = chunker(tokens=48)
    leads = [passage for passage in cutter.cut([text])[0] if passage.lead]
    assert leads and all(passage.tokens + cutter.count([passage.lead])[0] <= 48 for passage in leads)


@pytest.mark.parametrize("block", [HEADER + "| a | 1 |\n" * 4, "```sh\nmake install\n\nmake test\n\nmake run\n```\n"])
def test_a_table_or_code_block_that_fits_stays_whole(block: str) -> None:
    texts = ["\n\n".join(["The ferry to Sula. " * n, block, "Another sentence about it. " * 4]) for n in range(1, 9)]
    whole = [[any(block.strip() in passage for passage, *_ in cut(t, tokens=48, by=by)) for t in texts] for by in BY]
    assert all(whole[0]) and not all(whole[2])  # whole by structure, not by tokens


def test_rules_and_pipes_in_text_or_code_are_no_tables() -> None:
    assert tables.tables("Text | with a pipe\n\n---\n\nmore") == []
    code = "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n"
    assert tables.tables(code, code_blocks.fences(code)) == [] and len(tables.tables(code)) == 1


def test_long_code_is_cut_at_empty_lines() -> None:
    body = "".join(f"def f{n}(x):\n    y = x + {n}\n    return y * {n}\n\n" for n in range(12))
    parts = [passage for passage, *_ in cut(f"# Use\n\n```python\n{body}```\n", tokens=64)]
    assert len(parts) > 3 and all(part.startswith(("# Use", "def ")) for part in parts)


def test_fences_inside_lists_count_and_longer_ones_enclose_shorter() -> None:
    text = "- item\n\n      ```js\n      # no heading\n      ```\n\n````md\n```\ninner\n```\n````\n\n# Real\n\ntext"
    assert [text[a:b].strip().splitlines()[0] for a, b in code_blocks.fences(text)] == ["```js", "````md"]
    assert cut(text)[-1][1] == "Real"


def test_headings_may_be_underlined_but_front_matter_and_rules_are_none() -> None:
    text = "---\nname: x\n---\n\n=====\nTitle\n=====\n\nText of it.\n\nPart\n----\n\nMore text.\n\n---\n\nAfter a rule."
    assert [heading for _, heading, _ in cut(text)] == ["", "Title", "Title > Part"]


@pytest.mark.parametrize("source, expected", SOURCES.values(), ids=SOURCES.keys())
def test_definitions_are_found_in_many_languages(source: str, expected: str) -> None:
    marks = [mark.heading for mark in code_blocks.outline_of_code(source).marks]
    assert all(heading in marks for heading in expected.split(", "))
    assert expected or marks == [""]


def test_source_code_is_cut_at_definitions_and_each_passage_names_its_own() -> None:
    methods = "".join(
        f"    def m{n}(self):\n        # does it\n        return self.value * {n} + other({n})\n\n" for n in range(6)
    )
    head = '"""Module."""\n\nimport re\n\n\nclass A(B):\n    """Doc."""\n\n'
    source = f"{head}{methods}\ndef last():\n    return A().m1() * A().m2()\n"
    parts = cut(source, "code", tokens=32)
    assert all(passage.startswith(('"""', "class", "def", "import")) for passage, *_ in parts)
    named = {passage.split("(")[0]: heading for passage, heading, _ in parts}
    assert named["def m3"] == "class A > def m3" and named["def last"] == "def last"


def test_a_definition_too_long_for_a_passage_begins_its_own() -> None:
    source = "x = 1\n\n\ndef long():\n" + "".join(f"    call_number({n})\n" for n in range(40)) + "\n\ny = 2\n"
    parts = cut(source, "code", tokens=32)
    assert parts[0][0] == "x = 1" and parts[1][0].startswith("def long")
    assert {heading for _, heading, _ in parts[1:-1]} == {"def long"}
