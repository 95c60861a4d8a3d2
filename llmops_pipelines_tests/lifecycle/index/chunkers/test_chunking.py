"""Passages are verbatim, within the budget, under the right heading, and stay put when something else changes."""

import pickle
import time
from dataclasses import replace
from functools import cache

import pytest
from tokenizers import Tokenizer

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle.index.chunkers import counting
from llmops_pipelines.lifecycle.index.chunkers.chunking import Chunker
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles
from llmops_pipelines.lifecycle.index.errors import IndexingError

BY = ("structure", "sentences", "tokens")
NASTY = {
    "one long word": "x" * 5_000 + " tail",
    "no white space at all": "Zahl1234567890," * 400,
    "white space": " \n\t \n" * 300 + "end." + " " * 5_000 + "\n\nreally",
    "accents and capitals": "NASA's Café opened. É ï ĳ ǆ ﬁ ß " * 60,
    "Chinese": "渡輪九點開。狗只能在甲板上。" * 80,
    "Korean": "배는 아홉 시에 떠납니다 " * 80,
    "combining marks": "a" + "\u0301" * 3_000,
    "code": "```\n# no heading\n" + "    value = f(value)\n" * 200 + "```\n",
    "headings only": "# A\n## B\n### C\n",
    "bullets": "- item one, two\n" * 300,
    "dots": ". ! ? … " * 500 + "....." * 500,
    "pages": "A line of page one.\n\f\nPage two goes on\n\n\f\n\n" * 60,
    "spaces that BERT drops": "one\x85two\x0bthree\x1cfour\xa0five " * 200,
    "a table": "| a | b |\n|---|---|\n" + "| cell one | cell two |\n" * 90 + "\nafter",
    "a long word in one section of many": "# A\n\n" + "x" * 900 + " y\n\n# B\n\n" + "word " * 60 + "\n\n# C\n\nend",
    "a table that runs into a fence": "| a | b |\n|---|---|\n```a|b\ncode | x\n```\nafter\n\n```\nmore\n```\nend",
    "underlined headings": "Title\n=====\n\nBody of it.\n\nPart\n----\n\n" * 40,
}


def chunker(**words) -> Chunker:
    made = Chunker(ModelFiles.find(Embeddings()), Chunks(**words))
    made.__dict__["counter"] = counter()  # one for all tests
    return made


@cache
def counter() -> counting.Counter:
    return counting.load(ModelFiles.find(Embeddings()).path("tokenizer.json"))


@cache
def independent_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(ModelFiles.find(Embeddings()).path("tokenizer.json")))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokens_of(text: str) -> int:
    return len(independent_tokenizer().encode(text, add_special_tokens=False))


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
@pytest.mark.parametrize("words", [{"tokens": 24}, {"tokens": 24, "overlap": 6}], ids=["plain", "overlap"])
@pytest.mark.parametrize("by", [*BY, "code"])
def test_passages_are_verbatim_within_budget_and_leave_nothing_out(text: str, words: dict[str, int], by: str) -> None:
    cutter = chunker(by="structure" if by == "code" else by, **words)
    cut = cutter.cut([text], [by] if by == "code" else None)[0]

    assert all(0 < passage.tokens <= 24 and passage.tokens == tokens_of(text[passage.start : passage.end]) for passage in cut)
    covered = 0
    for passage in cut:
        assert passage.start >= covered or words.get("overlap")
        assert not tokens_of(text[covered : passage.start]), "text between passages was lost"
        assert text[passage.start : passage.end] == text[passage.start : passage.end].strip()
        covered = passage.end
    assert not tokens_of(text[covered:])


def test_the_tokenizer_file_alone_would_count_wrong() -> None:
    raw = Tokenizer.from_file(str(ModelFiles.find(Embeddings()).path("tokenizer.json")))
    assert len(raw.encode("word " * 500)) == len(raw.encode("word")) == 128  # truncated, and padded
    assert chunker().count(["word " * 500, "word"]) == [500, 1]


def test_each_passage_knows_its_headings_and_code_has_none() -> None:
    text = "# A\n\nUnder A.\n\n## B\n\n```sh\n# comment\nls\n```\n\nUnder B.\n\n### C\n\nUnder C.\n\n## D\n\nUnder D."
    assert [p.heading for p in chunker().cut([text])[0]] == ["A", "A > B", "A > B > C", "A > D"]


def test_a_heading_without_text_stays_with_the_next() -> None:
    text = "# Guide\n\n## Start\n\nPress the green key."
    (passage,) = chunker().cut([text])[0]
    assert (text[passage.start : passage.end], passage.heading) == (text, "Guide > Start")


def test_a_title_line_of_plain_text_goes_with_its_paragraph() -> None:
    sentence = "The pilot boards at the outer buoy and leaves at the quay. "
    text = f"{sentence * 3}\n\nHEARING\n\n{sentence * 3}"
    assert [text[p.start : p.end].split()[0] for p in chunker(tokens=48).cut([text])[0]] == ["The", "HEARING"]


def test_overlap_repeats_the_end_of_the_passage_before() -> None:
    text = " ".join(f"word{n}" for n in range(200))
    first, second, *_ = chunker(tokens=40, overlap=12).cut([text])[0]
    repeated = text[second.start : first.end]
    assert repeated and 0 < tokens_of(repeated) <= 12 and text[first.start : first.end].endswith(repeated)


def test_sentences_fill_passages_across_headings_and_say_what_is_true_of_all_of_them() -> None:
    text = "# A\n\nOne sentence here. Another one.\n\n## B\n\nA third one.\n\n# C\n\n" + "A sentence under C. " * 30
    first, *_, last = chunker(by="sentences", tokens=32).cut([text])[0]
    assert text[first.start : first.end].count("#") >= 3 and first.heading == "" and last.heading == "C"
    assert all(text[p.start : p.end].endswith(".") for p in chunker(by="sentences", tokens=32).cut([text])[0])
    assert chunker(by="sentences", tokens=32).cut([text[: text.index("# C")]])[0][0].heading == "A"


def test_tokens_fill_every_passage_but_the_last_two() -> None:
    text = "# A\n\n" + "word " * 500
    assert {p.tokens for p in chunker(by="tokens", tokens=40).cut([text])[0][:-2]} == {40}


def test_a_passage_knows_the_page_it_starts_on() -> None:
    text = "First page.\n\f\nSecond page.\n\f\n\f\n" + "On the fourth page. " * 40
    pages = [(p.page, text[p.start : p.end]) for p in chunker(tokens=24).cut([text])[0]]
    assert pages[0][0] == 1 and pages[-1][0] == 4 and all(passage[0] != "\f" for _, passage in pages)
    assert all(page == text[: text.index(passage)].count("\f") + 1 for page, passage in pages[:2])
    assert {p.page for p in chunker().cut(["No pages."])[0]} == {0}


def test_one_more_sentence_changes_few_passages() -> None:
    paragraphs = [" ".join(f"Sentence {n} of part {p} says {n * p}." for n in range(5)) for p in range(60)]
    before = "\n\n".join(paragraphs)
    after = "\n\n".join([*paragraphs[:30], "A new sentence. " + paragraphs[30], *paragraphs[31:]])
    old, new = ({text[p.start : p.end] for p in chunker().cut([text])[0]} for text in (before, after))
    assert len(new - old) <= 3 and len(new) >= 30


def test_the_line_above_a_passage_is_bounded() -> None:
    head = chunker().head("A title", "A title > " + "very long heading " * 40)
    assert head.startswith("A title > very long heading") and tokens_of(head) <= 32
    assert chunker().head("", "") == ""


def test_heads_of_a_document_are_the_same_all_at_once_and_one_by_one() -> None:
    headings = ["", "A", "A > B", "very long heading " * 40]
    assert chunker().heads("Title", headings) == {heading: chunker().head("Title", heading) for heading in headings}


def test_passages_that_the_model_could_not_read_whole_are_refused() -> None:
    with pytest.raises(IndexingError, match="use at most 222"):
        chunker(tokens=223)


def test_a_chunker_travels_to_another_process() -> None:
    cutter = chunker(tokens=24)
    text = NASTY["code"]
    assert cutter.cut([text]) == pickle.loads(pickle.dumps(cutter)).cut([text])


def test_the_fingerprint_follows_the_settings() -> None:
    assert chunker().fingerprint == chunker(tokens=96).fingerprint
    others = [chunker(tokens=95), chunker(by="tokens"), chunker(overlap=8)]
    assert chunker().fingerprint not in {other.fingerprint for other in others}


@pytest.mark.parametrize("by", [*BY, "code"])
def test_the_tokenizer_reads_a_hostile_text_a_few_times_and_not_more(by: str) -> None:
    hostile = {"one line": "word " * 20_000, "marks": "a" + "\u0301" * 200_000, "no spaces": "渡輪九點開" * 4_000}
    hostile |= {"lines": "x = 1\n" * 8_000, "rows": "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 8_000}
    for name, text in hostile.items():
        cutter = chunker(by="structure" if by == "code" else by)
        spy = Spy(cutter.counter.count)
        cutter.__dict__["counter"] = replace(cutter.counter, count=spy)
        passages = cutter.cut([text], [by] if by == "code" else None)[0]
        assert spy.characters <= 8 * len(text) and spy.calls <= 8 + 2 * len(passages), name


class Spy:
    """A counter that notes how much it was asked."""

    def __init__(self, count) -> None:
        self.count, self.calls, self.characters = count, 0, 0

    def __call__(self, texts):
        self.calls, self.characters = self.calls + 1, self.characters + sum(map(len, texts))
        return self.count(texts)


def test_time_grows_with_the_text_and_not_faster() -> None:
    cutter = chunker()
    for unit in (". ", "\n", "a.\n \n", "# ", "`", "*", ".*", "x", " "):
        seconds = []
        for characters in (2_000, 16_000):
            started = time.process_time()
            cutter.cut([unit * (characters // len(unit)) + "x"])
            seconds.append(time.process_time() - started)
        assert seconds[1] < 0.3 + 24 * seconds[0], f"{unit!r}: {seconds}"  # 8 if linear, 64 if quadratic
