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


def words(**changes):
    """The part of a recipe that rows depend on."""
    return {"method": "lora", "mix": None, "seed": 0, "learn_from": "completion", "max_tokens": 5, **changes}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "training_examples.parquet"
    columns = {"example_id": ["a", "b"], "prompt": ["x", "xy"], "completion": [" 1", ""], "origin": ["question", "table"]}
    pq.write_table(pa.table(columns), path, write_page_checksum=True)
    return path


def test_the_loss_sees_the_completion_and_the_end_mark_only(table):
    pq.write_table(pq.read_table(table).slice(0, 1), table)
    (example,) = rows.read(table, Letters(), words())
    assert example["input_ids"] == [1, ord("x"), ord(" "), ord("1"), 0]
    assert example["labels"] == [-100, -100, ord(" "), ord("1"), 0]
    assert rows.probes([example]) == [[1, ord("x")]]


def test_an_empty_completion_is_refused_by_name(table):
    with pytest.raises(TrainingError, match="example b has an empty completion"):
        rows.read(table, Letters(), words())


def test_an_example_that_is_too_long_is_refused_by_name_and_length():
    with pytest.raises(TrainingError, match=r"example c has 12 tokens, .* max_tokens: 8 \(2 of 3 .* raise max_tokens to 12"):
        rows.check(["a", "b", "c"], [8, 9, 12], [1, 1, 1], max_tokens=8)
    rows.check(["a", "b", "c"], [8, 9, 12], [1, 1, 1], max_tokens=12)


def test_probes_are_spread_over_the_examples():
    examples = [{"input_ids": [n, 9], "labels": [-100, 9]} for n in range(100)]
    assert rows.probes(examples) == [[0], [33], [66], [99]]
    assert rows.probes(examples[:2]) == [[0], [1]]


def test_everything_can_be_learnt_from(table):
    pq.write_table(pq.read_table(table).slice(0, 1), table)
    (example,) = rows.read(table, Letters(), words(learn_from="everything"))
    assert example["labels"] == example["input_ids"]


ORIGINS = ["question"] * 60 + ["table"] * 30 + ["feedback"] * 10
NAMES = [f"row-{n}" for n in range(100)]


def test_a_mix_takes_as_many_rows_as_there_can_be_with_these_parts():
    picked = rows.pick(NAMES, ORIGINS, {"question": 3, "feedback": 1}, seed=0)
    taken = [ORIGINS[place] for place in picked]
    assert (taken.count("question"), taken.count("feedback"), taken.count("table")) == (30, 10, 0)
    assert len(set(picked)) == len(picked) and picked == sorted(picked)


def test_a_mix_does_not_depend_on_the_order_of_the_table_but_on_the_seed():
    def named(order, seed=0):
        places = rows.pick([NAMES[k] for k in order], [ORIGINS[k] for k in order], {"question": 1, "table": 1}, seed)
        return {NAMES[order[place]] for place in places}

    forward = list(range(100))
    assert named(forward) == named(forward[::-1]) != named(forward, seed=1)


def test_a_mix_of_an_unknown_origin_is_refused():
    with pytest.raises(TrainingError, match="recipe.mix: no training example has origin 'chat'; there are feedback, question"):
        rows.pick(NAMES, ORIGINS, {"chat": 1}, seed=0)


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "preference_pairs.parquet"
    columns = {"example_id": ["a", "b"], "prompt": ["x", "y"], "chosen": [" 1", " 2"], "rejected": [" 3", " 4"]}
    pq.write_table(pa.table(columns), path, write_page_checksum=True)
    return path


def test_preference_pairs_end_both_sides_with_the_end_mark(pairs):
    found = rows.read_pairs(pairs, Letters(), words(method="dpo"))
    assert found[0] == {"example_id": "a", "prompt_ids": [1, 120], "chosen_ids": [32, 49, 0], "rejected_ids": [32, 51, 0]}
    assert rows.tokens(found) == 20 and rows.probes(found) == [[1, 120], [1, 121]]


def test_a_pair_of_equal_sides_teaches_nothing(pairs):
    columns = pq.read_table(pairs).to_pydict() | {"rejected": [" 3", " 2"]}
    pq.write_table(pa.table(columns), pairs, write_page_checksum=True)
    with pytest.raises(TrainingError, match="preference pair b: chosen and rejected are the same"):
        rows.read_pairs(pairs, Letters(), words(method="dpo"))


def test_dpo_needs_preference_pairs_and_the_others_examples(pairs, table):
    with pytest.raises(TrainingError, match="no column chosen, which method dpo learns from; dpo takes preference_pairs"):
        rows.read_pairs(table, Letters(), words(method="dpo"))
    with pytest.raises(TrainingError, match="no column completion, which method lora learns from"):
        rows.read(pairs, Letters(), words())
