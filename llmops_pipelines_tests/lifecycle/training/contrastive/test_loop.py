"""What is learnt from and measured on, what meets in a batch and what the loss counts as wrong: with vectors made by hand."""

from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from llmops_pipelines.lifecycle.training import TrainingError, checkpoints
from llmops_pipelines.lifecycle.training.contrastive.loop import Batch, Loop, Material, batches, loss, newest, steps_per_epoch
from llmops_pipelines.lifecycle.training.contrastive.tables import Tables

from .tiny_bert import recipe

HARD = {"negatives": {"per_pair": 2, "first": 1, "last": 9}}


class Vectors:
    """Stands in for the model: a text is its own vector."""

    def vectors(self, tokens: list[list[float]]) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.tensor(tokens, dtype=torch.float32), dim=1)


def material(rows: int = 9, **changes) -> Material:
    passages = {n: [1.0, float(n)] for n in range(rows + 3)}
    said = {"questions": [[1.0, float(n)] for n in range(rows)], "right": list(range(rows)), "passages": passages}
    return Material(**{**said, "wrong": [[rows, rows + 1, rows + 2]] * rows, "texts": {n: n for n in passages}, **changes})


def test_every_pair_comes_once_an_epoch_in_an_order_of_its_own():
    words = recipe(batch_size=4, **HARD)
    orders = [[row for batch in batches(material(10), words, epoch) for row in batch.rows] for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] == orders[2] != orders[1]
    assert [len(batch.wrong) for batch in batches(material(10), words, 0)] == [8, 8, 4]


@pytest.mark.parametrize(("rows", "steps"), [(8, 2), (9, 2), (10, 3)])
def test_a_pair_alone_is_no_batch(rows, steps):
    assert len(list(batches(material(rows), recipe(batch_size=4), 0))) == steps == steps_per_epoch(rows, 4)


def test_a_passage_that_equals_the_right_one_is_not_wrong():
    twins = material(2, questions=[[1.0, 0.0], [1.0, 0.0]], passages={0: [1.0, 0.0], 1: [1.0, 0.0], 2: [0.0, 1.0]})
    batch = Batch([0, 1], [2])
    same = loss(Vectors(), Material(**{**vars(twins), "texts": {0: 7, 1: 7, 2: 8}}), batch, 0.05)
    other = loss(Vectors(), Material(**{**vars(twins), "texts": {0: 6, 1: 7, 2: 8}}), batch, 0.05)
    assert same < 1e-6 and other == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-4)


def test_a_hard_negative_raises_the_loss():
    easy, hard = (
        material(2, passages={0: [1, 0], 1: [0, 1], 2: [-1, -1]}),
        material(2, passages={0: [1, 0], 1: [0, 1], 2: [1, 0.1]}),
    )
    questions = {"questions": [[1.0, 0.0], [0.0, 1.0]], "texts": {0: 0, 1: 1, 2: 2}}
    values = [loss(Vectors(), Material(**{**vars(each), **questions}), Batch([0, 1], [2]), 0.5) for each in (easy, hard)]
    assert values[1] > values[0] + 0.1


def test_the_learning_rate_rises_and_falls():
    loop = Loop(Vectors(), None, material(), recipe(warmup=0.2, learning_rate=1.0), total=10)
    rates = [round(loop.rate(step), 3) for step in range(1, 11)]
    assert rates[:3] == [0.5, 1.0, 0.889] and rates[-1] == 0.111 and sorted(rates[1:], reverse=True) == rates[1:]


def test_a_resumed_run_goes_on_with_the_very_next_batch():
    words = recipe(batch_size=4, epochs=2, **HARD)
    loop = Loop(Vectors(), None, material(), words, total=4)
    assert list(loop.batches(done=3)) == list(loop.batches(done=0))[3:]


def test_nothing_of_the_measured_side_is_learnt_from():
    learner = SimpleNamespace(tokens=lambda texts: [[text] for text in texts])
    passages = {name: {"cluster": name, "text_hash": name, "text": name} for name in ("c0-1", "c0-2", "c0-3", "c0-4", "c0-5")}
    pairs = [{"pair_id": "a", "question": "?", "chunk_id": "c0-1", "cluster": "c0-1"}]
    tables = Tables(pairs, [], {"a": list(passages)[1:]}, passages)
    sides = {
        share: {text for tokens in tables.material(learner, share).passages.values() for text in tokens} for share in (0.0, 1.0)
    }
    assert sides == {0.0: set(passages), 1.0: {"c0-1"}}


def test_the_newest_complete_checkpoint_is_taken_and_the_others_told_of(tmp_path):
    for step in (10, 20, 30):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "state.safetensors").write_bytes(b"weights")
        if step < 30:
            checkpoints.seal(folder, step=step)
    (tmp_path / "checkpoints" / "checkpoint-20" / "state.safetensors").unlink()
    path, notes = newest(tmp_path / "checkpoints")
    assert path.name == "checkpoint-10"
    assert notes == (
        "checkpoint-30 was set aside, incomplete: it was not finished when its run ended",
        "checkpoint-20 was set aside, state.safetensors is missing",
    )
    assert newest(tmp_path / "checkpoints") == (path, ())


def tables_of(tmp_path, made: list[str], **words) -> Tables:
    rows = [{"pair_id": str(n), "chunk_id": "c", "cluster": f"c{n}", "origin": origin} for n, origin in enumerate(made)]
    passages = [{"chunk_id": "c", "cluster": "c0", "text_hash": "t", "text": "t"}]
    for name, found in (("pairs", rows), ("passages", passages)):
        parquet.write_table(pa.Table.from_pylist(found), tmp_path / name)
    job = SimpleNamespace(pairs=tmp_path / "pairs", passages=tmp_path / "passages", negatives=None, words=recipe(**words))
    return Tables.read(job)


def test_what_people_asked_is_measured_on_where_it_is_enough(tmp_path):
    enough, few = tables_of(tmp_path, ["question", "cloze"] * 100), tables_of(tmp_path, ["question"] * 10 + ["cloze"] * 100)
    assert {row["origin"] for row in enough.measured} == {"question"} and enough.asked_by == "people"
    assert {row["origin"] for row in few.measured} == {"question", "cloze"} and few.asked_by == "people and rules"
    assert {row["cluster"] for row in enough.measured}.isdisjoint({row["cluster"] for row in enough.learnt})


def test_only_the_named_origins_are_learnt_from(tmp_path):
    tables = tables_of(tmp_path, ["question", "cloze"] * 100, origins=["question"])
    assert {row["origin"] for row in tables.learnt} == {"question"}
    with pytest.raises(TrainingError, match="leaves 0 to learn from"):
        tables_of(tmp_path, ["question", "cloze"] * 100, origins=["nobody"])
