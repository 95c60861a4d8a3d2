"""Passages are verbatim, within the budget, under the right heading, and stay put when something else changes."""

import time
from functools import cache

import pytest
from tokenizers import Tokenizer

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle.index.chunking import Chunker
from llmops_pipelines.lifecycle.index.errors import IndexingError
from llmops_pipelines.lifecycle.index.model_files import ModelFiles

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
}


def chunker(**words: int) -> Chunker:
    return Chunker(ModelFiles.find(Embeddings()), Chunks(**words))


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
def test_passages_are_verbatim_within_budget_and_leave_nothing_out(text: str, words: dict[str, int]) -> None:
    cut = chunker(**words).cut([text])[0]

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


def test_passages_that_the_model_could_not_read_whole_are_refused() -> None:
    with pytest.raises(IndexingError, match="use at most 222"):
        chunker(tokens=223)


def test_the_fingerprint_follows_the_settings() -> None:
    assert chunker().fingerprint == chunker(tokens=96).fingerprint != chunker(tokens=95).fingerprint


def test_time_grows_with_the_text_and_not_faster() -> None:
    cutter = chunker()
    for unit in (". ", "\n", "a.\n \n", "# ", "`", "*", ".*", "x", " "):
        seconds = []
        for characters in (2_000, 16_000):
            started = time.process_time()
            cutter.cut([unit * (characters // len(unit)) + "x"])
            seconds.append(time.process_time() - started)
        assert seconds[1] < 0.3 + 24 * seconds[0], f"{unit!r}: {seconds}"  # 8 if linear, 64 if quadratic
