"""Counts are those of the tokenizers library, whichever way they were made; what counts otherwise is not used."""

import json
from pathlib import Path

import pytest

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle.index.chunkers import counting
from llmops_pipelines.lifecycle.index.chunkers.chunking import Chunker
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles

MINILM = ModelFiles.find(Embeddings()).path("tokenizer.json")
SQUAD = Path(__file__).parents[5] / "shared" / "data" / "squad" / "passages.jsonl"


@pytest.fixture(scope="module")
def byte_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of the GPT family, where a space belongs to the word after it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["The ferry leaves at nine from the quay. " * 9], trainer)
    path = tmp_path_factory.mktemp("bpe") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize("accelerated", [True, False])
def test_counts_are_exact_for_whatever_text(accelerated: bool) -> None:
    counter = counting.load(MINILM, accelerated=accelerated)
    texts = [*counting.PROBES, *(chr(n) for n in range(0, 0x3000) if not 0xD800 <= n < 0xE000), "a\x85b\x0bc \x0c d\n\x0c\ne"]
    assert counter.additive
    assert counter.count(texts) == counter.count(texts) == counting.Plain(counter.tokenizer)(texts)


@pytest.mark.skipif(not SQUAD.exists(), reason="the shared data is not here")
def test_counts_of_real_passages_are_exact() -> None:
    texts = [json.loads(line)["text"] for line in SQUAD.read_text("utf-8").splitlines()[:200]]
    reference = counting.Plain(counting.load(MINILM).tokenizer)(texts)
    assert [counting.load(MINILM, accelerated=fast).count(texts) for fast in (True, False)] == [reference] * 2


def test_a_counter_that_is_wrong_somewhere_in_ascii_is_found_out() -> None:
    plain = counting.Plain(counting.load(MINILM).tokenizer)
    assert counting.agrees(plain, plain)
    assert not counting.agrees(lambda texts: [n + ("#" in t) for n, t in zip(plain(texts), texts, strict=True)], plain)
    assert not counting.agrees(lambda texts: [len(text.split()) for text in texts], plain)


def test_only_ascii_goes_to_the_fast_counter() -> None:
    counter = counting.Ascii(lambda texts: [1] * len(texts), lambda texts: [2] * len(texts))
    assert counter(["plain", "naïve", "del \x7f", "also plain"]) == [1, 2, 2, 1]


def test_words_are_counted_once_and_long_ones_are_forgotten() -> None:
    asked: list[str] = []
    counter = counting.Words(lambda words: [asked.append(word) or 1 for word in words])
    assert counter(["one two one", "two " + "x" * 99]) == [3, 2] and counter(["one two"]) == [2]
    assert asked == ["one", "two", "x" * 99] and set(counter.known) == {"one", "two"}


def test_counts_of_byte_pairs_are_not_taken_to_add_up(byte_pairs: Path) -> None:
    counter = counting.load(byte_pairs)
    assert not counter.additive and not counting.adds_up(counting.Plain(counter.tokenizer))
    assert counting.adds_up(counting.Plain(counting.load(MINILM).tokenizer))


@pytest.mark.parametrize("by", ["structure", "sentences", "tokens"])
@pytest.mark.parametrize("overlap", [0, 8])
def test_passages_stay_within_the_budget_where_counts_do_not_add_up(byte_pairs: Path, by: str, overlap: int) -> None:
    chunker = Chunker(ModelFiles.find(Embeddings()), Chunks(tokens=40, by=by, overlap=overlap))
    chunker.__dict__["counter"] = counting.load(byte_pairs)
    sentences = (
        "The ferry leaves at nine. Quays are closed to lorries!\n\nfrom the quay\n  - at nine\n  - at the ferry\n\n" * 12
    )
    for text in (sentences, "x" * 3_000, "渡輪九點開。" * 90, "# A\n\n" + "nine\n" * 400, "```\nf(x)\n\n\ng(y)\n```\n" * 30):
        passages = chunker.cut([text])[0]
        slices = [text[passage.start : passage.end] for passage in passages]
        assert [passage.tokens for passage in passages] == counting.Plain(chunker.counter.tokenizer)(slices)
        assert all(0 < passage.tokens <= 40 for passage in passages)
        assert overlap or "".join("".join(slices).split()) == "".join(text.split())
