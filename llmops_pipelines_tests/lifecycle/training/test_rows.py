"""Examples as tokens: loss on the completion only, nothing cut."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.training import TrainingError, rows


class Letters:
    """A tokenizer of one token per letter, with a start mark (1) and an end mark (0)."""

    eos_token_id = 0

    def __call__(self, texts, add_special_tokens=True):
        return {"input_ids": [[1] * add_special_tokens + [ord(letter) for letter in text] for text in texts]}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "training_examples.parquet"
    columns = {"example_id": ["a", "b"], "prompt": ["x", "xy"], "completion": [" 1", ""], "doc_ids": [["d"], ["d"]]}
    pq.write_table(pa.table(columns), path, write_page_checksum=True)
    return path


def test_the_loss_sees_the_completion_and_the_end_mark_only(table):
    pq.write_table(pq.read_table(table).slice(0, 1), table)
    (example,) = rows.read(table, Letters(), max_tokens=5)
    assert example["input_ids"] == [1, ord("x"), ord(" "), ord("1"), 0]
    assert example["labels"] == [-100, -100, ord(" "), ord("1"), 0]
    assert rows.probes([example]) == [[1, ord("x")]]


def test_an_empty_completion_is_refused_by_name(table):
    with pytest.raises(TrainingError, match="example b has an empty completion"):
        rows.read(table, Letters(), max_tokens=5)


def test_an_example_that_is_too_long_is_refused_by_name_and_length():
    with pytest.raises(TrainingError, match=r"example c has 12 tokens, .* max_tokens: 8 \(2 of 3 .* raise max_tokens to 12"):
        rows.check(["a", "b", "c"], [8, 9, 12], [1, 1, 1], max_tokens=8)
    rows.check(["a", "b", "c"], [8, 9, 12], [1, 1, 1], max_tokens=12)


def test_probes_are_spread_over_the_examples():
    examples = [{"input_ids": [n, 9], "labels": [-100, 9]} for n in range(100)]
    assert rows.probes(examples) == [[0], [33], [66], [99]]
    assert rows.probes(examples[:2]) == [[0], [1]]
