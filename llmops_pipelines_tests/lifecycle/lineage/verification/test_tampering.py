"""Whatever is changed behind the back of a release is found and named: from its record down to the bytes of its sources."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.lake.digests import file_digest
from llmops_pipelines.lifecycle.lake.drafts import MANIFEST
from llmops_pipelines.lifecycle.lineage.forgetting import receipts
from llmops_pipelines.lifecycle.lineage.verification import Verification, page

from .product import Tampering, make, parquet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Tampering:
    return make(tmp_path_factory.mktemp("product"))


@pytest.fixture
def shop(product) -> Iterator[Tampering]:
    yield product
    product.undo()


def named(found: Verification) -> list[str]:
    return [str(check) for check in found.checks if check.outcome in ("differs", "made again")]


def test_an_untouched_release_matches_in_every_check(shop):
    """The control: every other test of this page would pass on a verification that always complains."""
    for epoch in (1, 2):
        found = shop.verify(epoch)
        assert named(found) == [] and found.sound
        assert found.counts["match"] == len(found.checks) > 30


def test_what_is_current_is_no_part_of_a_release(shop):
    shop.write(shop.lake.desk("documents", "current.json"), b'{"fingerprint": "0", "digest": "0"}')
    assert shop.verify().sound


FILES = [  # (asset, file): one of each kind that a release is made of
    ("raw_documents/handbook", "raw_documents.parquet"),
    ("raw_documents/handbook", "source.json"),
    ("parsed_documents/handbook", "parsed_documents.parquet"),
    ("documents", "documents.parquet"),
    ("documents", "ledger.parquet"),
    ("documents", "quarantined.parquet"),
    ("documents", "terms.json"),
    ("chunks", "chunks.parquet"),
    ("chunks", "chunker.json"),
    ("embeddings", "embeddings.parquet"),
    ("index", "holdings.parquet"),
    ("index", "content.json"),
    ("index", "edge/edge_config.json"),
    ("retrieval_settings", "retrieval_settings.json"),
    ("retrieval_settings", "tuning.png"),
    ("eval_questions", "eval_questions.parquet"),
    ("training_examples", "training_examples.parquet"),
    ("base_model", "base_model.json"),
    ("checkpoint", "adapter/adapter_model.safetensors"),
    ("checkpoint", "adapter/adapter_config.json"),
    ("checkpoint", "loss.png"),
    ("answers/fine_tuned_retrieval", "answers.parquet"),
    ("answers/fine_tuned_retrieval", "timings.parquet"),
    ("eval_scores/fine_tuned_retrieval", "eval_scores.parquet"),
    ("eval_scores/fine_tuned_retrieval", "summary.json"),
    ("eval_scores/retrieval", "slices.parquet"),
]


@pytest.mark.parametrize(("asset", "name"), FILES, ids=lambda each: each.replace("/", "."))
def test_a_flipped_bit_in_a_file_of_a_version(shop, asset, name):
    path = shop.flip(shop.file(_role(asset), name))
    found = shop.verify()
    assert str(path) in str(found.first) and found.first.what.startswith(f"{asset} ")
    assert str(path) in page(found).answer


def test_a_flipped_bit_in_a_vector_of_the_index(shop):
    (path,) = [each for each in shop.part("index").path.rglob("*vector_storage*/**/chunk_0.mmap") if "dense" in str(each)][:1]
    data = bytearray(path.read_bytes())
    place = next(place for place, byte in enumerate(data) if byte)
    data[place] ^= 1
    shop.write(path, bytes(data))
    assert str(path) in str(shop.verify().first)


def _role(asset: str) -> str:
    roles = {"answers/fine_tuned_retrieval": "answers", "eval_scores/fine_tuned_retrieval": "eval_scores"}
    return roles.get(asset, asset)


Act = Callable[[Tampering], Path]


def other_checkpoint(shop: Tampering) -> bytes:
    """The adapter of release 1: valid, and not this release's."""
    return shop.part("checkpoint", 1).file("adapter/adapter_model.safetensors").read_bytes()


def swapped_adapter(shop: Tampering) -> Path:
    return shop.write(shop.file("checkpoint", "adapter/adapter_model.safetensors"), other_checkpoint(shop))


def swapped_adapter_with_a_manifest_to_match(shop: Tampering) -> Path:
    return shop.remake("checkpoint", "adapter/adapter_model.safetensors", other_checkpoint(shop))


def another_table_with_a_manifest_to_match(shop: Tampering) -> Path:
    return shop.remake("training_examples", "training_examples.parquet", parquet(example_id=["e1"], question=["Whom?"]))


def another_table_of_an_ancestor(shop: Tampering) -> Path:
    return shop.remake("embeddings", "embeddings.parquet", parquet(text_hash=["0" * 64]))


def other_timings_with_a_manifest_to_match(shop: Tampering) -> Path:
    return shop.remake("answers", "timings.parquet", parquet(question_id=["q1"], milliseconds=[1.0]))


def an_engine_file_with_a_manifest_to_match(shop: Tampering) -> Path:
    return shop.remake("index", "edge/edge_config.json", b"{}")


def edited_manifest(shop: Tampering) -> Path:
    path = shop.part("index").path / MANIFEST
    return shop.write(path, path.read_bytes().replace(b'"code": "index-2"', b'"code": "index-1"'))


def edited_manifest_with_a_seal_to_match(shop: Tampering) -> Path:
    return shop.edit(shop.part("documents").path / MANIFEST, facts={"indexed": 99})


def other_settings_in_a_manifest(shop: Tampering) -> Path:
    return shop.edit(shop.part("chunks").path / MANIFEST, config={"chunker": "0" * 64})


def unreadable_manifest(shop: Tampering) -> Path:
    return shop.write(shop.part("parsed_documents/handbook").path / MANIFEST, b"{")


def removed_manifest(shop: Tampering) -> Path:
    return shop.remove(shop.part("index").path / MANIFEST)


def removed_file(shop: Tampering) -> Path:
    return shop.remove(shop.file("chunks", "chunks.parquet"))


def added_file(shop: Tampering) -> Path:
    return shop.write(shop.file("checkpoint", "adapter/chat_template.jinja"), b"{{ 1 }}")


def store_rows(shop: Tampering) -> Path:
    return shop.flip(next(shop.store("texts").glob("*.parquet")))


def store_log(shop: Tampering) -> Path:
    return shop.flip(shop.store("vectors") / "_delta_log" / f"{0:020d}.json")


def store_seal(shop: Tampering) -> Path:
    return shop.flip(shop.store("chunks") / "_seals" / f"{0:020d}.json")


def a_text_that_is_not_its_hash(shop: Tampering) -> Path:
    """The store, its log and its seal made to match: the text's name still tells."""
    store = shop.store("texts")
    rows, said = next(store.glob("*.parquet")), store / "_seals" / f"{0:020d}.json"
    table = pq.ParquetFile(rows).read()
    texts = ["Other words.", *table.column("text").to_pylist()[1:]]
    shop.write(rows, parquet(content_hash=table.column("content_hash").to_pylist(), text=texts))
    files = {rows.name: file_digest(rows)}
    shop.edit(said, files=files)
    return store


def answers_store(shop: Tampering) -> Path:
    return shop.flip(next(path for path in (shop.lake.root / "stores" / "answers").glob("*/*.parquet") if used(shop, path)))


def used(shop: Tampering, path: Path) -> bool:
    return any(check.place == str(path.parent) for check in shop.verify().checks)


def blob(shop: Tampering) -> Path:
    return shop.flip(next(shop.lake.root.glob("blobs/*/*")))


def removed_blob(shop: Tampering) -> Path:
    return shop.remove(next(shop.lake.root.glob("blobs/*/*")))


def base_weights(shop: Tampering) -> Path:
    return shop.flip(shop.folder / "base" / "model.safetensors")


def base_tokenizer(shop: Tampering) -> Path:
    return shop.remove(shop.folder / "base" / "tokenizer.json")


def embedder_weights(shop: Tampering) -> Path:
    return shop.flip(shop.folder / "minilm" / "model.safetensors")


def embedder_configuration(shop: Tampering) -> Path:
    path = shop.folder / "minilm" / "config.json"
    shop.write(path, json.dumps(json.loads(path.read_bytes()) | {"layer_norm_eps": 1e-3}).encode())
    return path.parent


CASES: list[Act] = [
    swapped_adapter,
    swapped_adapter_with_a_manifest_to_match,
    another_table_with_a_manifest_to_match,
    another_table_of_an_ancestor,
    other_timings_with_a_manifest_to_match,
    an_engine_file_with_a_manifest_to_match,
    edited_manifest,
    edited_manifest_with_a_seal_to_match,
    other_settings_in_a_manifest,
    unreadable_manifest,
    removed_manifest,
    removed_file,
    added_file,
    store_rows,
    store_log,
    store_seal,
    a_text_that_is_not_its_hash,
    answers_store,
    blob,
    removed_blob,
    base_weights,
    base_tokenizer,
    embedder_weights,
    embedder_configuration,
]


@pytest.mark.parametrize("act", CASES, ids=lambda act: act.__name__)
def test_a_change_below_the_release(shop, act):
    path = act(shop)
    assert str(path) in str(shop.verify().first)


def record(shop: Tampering) -> Path:
    return shop.flip(shop.record("000002.json"))


def old_record(shop: Tampering) -> Path:
    return shop.flip(shop.record("000001.json"))


def old_record_with_a_seal_to_match(shop: Tampering) -> Path:
    return shop.edit(shop.record("000001.json"), actor="mallory")


def old_mark_with_a_seal_to_match(shop: Tampering) -> Path:
    return shop.edit(shop.record("000001.end.json"), at="2020-01-01T00:00:00+00:00")


def removed_old_record(shop: Tampering) -> Path:
    return shop.remove(shop.record("000001.json"))


def removed_old_mark(shop: Tampering) -> Path:
    return shop.remove(shop.record("000001.end.json"))


def mark(shop: Tampering) -> Path:
    return shop.flip(shop.record("000002.verified.json"))


def end_mark(shop: Tampering) -> Path:
    return shop.write(shop.record("000002.end.json"), b'{"outcome": "aborted", "seal": "0"}')


def model_card(shop: Tampering) -> Path:
    return shop.flip(shop.record("000002/model_card.md"))


def bill_of_materials(shop: Tampering) -> Path:
    return shop.flip(shop.record("000002/bill_of_materials.cdx.json"))


def removed_bundle(shop: Tampering) -> Path:
    return shop.remove(shop.record("000002/bundle.json"))


def added_paper(shop: Tampering) -> Path:
    return shop.write(shop.record("000002/approval.md"), b"approved")


@pytest.mark.parametrize(
    "act",
    [
        *(record, old_record, old_record_with_a_seal_to_match, old_mark_with_a_seal_to_match, removed_old_record),
        *(removed_old_mark, mark, end_mark, model_card, bill_of_materials, removed_bundle, added_paper),
    ],
    ids=lambda act: act.__name__,
)
def test_a_change_in_the_history(shop, act):
    path = act(shop)
    assert str(path) in str(shop.verify().first)


def test_a_record_with_a_seal_to_match_differs_from_its_papers_and_from_mlflow(shop):
    shop.edit(shop.record("000002.json"), actor="mallory")
    said = named(shop.verify())
    assert any("model_card.md: other bytes" in each for each in said)
    assert any("MLflow support_docs version 2: seal" in each and "000002.json" in each for each in said)


def registry(shop: Tampering, change: Callable[[dict], object]) -> None:
    state = json.loads(shop.client.path.read_bytes())
    change(state)
    shop.write(shop.client.path, json.dumps(state).encode())


def test_an_alias_that_was_moved_by_hand(shop):
    registry(shop, lambda state: state["aliases"].update(champion="1"))
    first = str(shop.verify().first)
    assert first.startswith("alias: MLflow support_docs@champion: ") and "names version 1 (release 1)" in first
    assert "release 2" in first and not shop.verify(1).sound


def test_an_alias_that_was_deleted(shop):
    registry(shop, lambda state: state["aliases"].clear())
    assert "names nothing, but release 2 is live" in str(shop.verify().first)


def test_a_tag_that_was_edited(shop):
    registry(shop, lambda state: state["versions"]["2"].update({"llmops/record.production": "0" * 64}))
    assert str(shop.verify().first).startswith("record of the alias: MLflow support_docs version 2: ")


def test_an_adapter_that_was_swapped_in_mlflow(shop):
    path = shop.write(shop.copy("adapter_model.safetensors"), other_checkpoint(shop))
    assert str(path) in str(shop.verify().first)


def test_a_paper_that_was_edited_in_mlflow(shop):
    path = shop.flip(shop.copy("model_card.md"))
    assert str(path) in str(shop.verify().first)


def test_a_tag_that_names_another_part(shop):
    registry(shop, lambda state: state["versions"]["2"].update(index="0" * 64))
    assert str(shop.verify().first).startswith("tags in MLflow: MLflow support_docs version 2: 000000000000")


def test_a_model_version_that_was_deleted(shop):
    registry(shop, lambda state: state["versions"].pop("1"))
    assert str(shop.verify(1).first).startswith("model version: MLflow support_docs: none")


def test_an_end_mark_that_was_removed_leaves_mlflow_with_another_release(shop):
    shop.remove(shop.record("000002.end.json"))
    found = shop.verify()
    assert "names version 2 (release 2), but release 1 is live" in str(found.first)
    assert any(check.place.endswith("000002.end.json") for check in found.checks if check.outcome == "not vouched")


def erased(shop: Tampering, receipt: str) -> Path:
    """Take a row out of the training examples as `llmops forget` does, with the receipt of that name."""
    path, version = shop.file("training_examples", "training_examples.parquet"), shop.part("training_examples")
    was = version.manifest
    shop.write(path, parquet(example_id=[], question=[]))
    before, after = was["files"][path.name], file_digest(path)
    said = {"receipt": receipt, "files": {path.name: [before, after]}, "seal": was["seal"]}
    shop.edit(version.path / MANIFEST, files={path.name: after}, redacted=[said])
    return path


def test_what_was_erased_with_a_receipt_that_names_it_matches(shop):
    erased(shop, "work-1")
    written = receipts.write(shop.lake, {"work": "work-1", "versions": [shop.part("training_examples").fingerprint]})
    shop.before.append(written.unlink)
    found = shop.verify()
    assert found.sound, found.first
    (check,) = [each for each in found.checks if each.what.startswith("training_examples")]
    assert (check.outcome, check.found.endswith("but for what was erased")) == ("match", True)


@pytest.mark.parametrize("receipt", ["work-1", "work-2"])
def test_what_was_erased_without_a_receipt_that_names_it_differs(shop, receipt):
    written = receipts.write(shop.lake, {"work": "work-1", "versions": ["0" * 64]})
    shop.before.append(written.unlink)
    erased(shop, receipt)
    assert f"expected a receipt {receipt} that names it" in str(shop.verify().first)


def test_a_receipt_that_was_edited_is_none(shop):
    erased(shop, "work-1")
    written = receipts.write(shop.lake, {"work": "work-1", "versions": [shop.part("training_examples").fingerprint]})
    shop.before.append(written.unlink)
    shop.write(written, written.read_bytes().replace(b'"number": 1', b'"number": 2'))
    assert str(shop.verify().first).startswith("receipt of an erasure: ") and len(named(shop.verify())) == 2


def test_rows_taken_away_under_the_cover_of_a_receipt_differ(shop):
    """The receipt names the version, but the files before the erasure do not make the digest that was released."""
    path = erased(shop, "work-1")
    version = shop.part("training_examples")
    written = receipts.write(shop.lake, {"work": "work-1", "versions": [version.fingerprint]})
    shop.before.append(written.unlink)
    said = version.manifest["redacted"][0] | {"files": {path.name: ["0" * 64, file_digest(path)]}}
    shop.edit(version.path / MANIFEST, redacted=[said])
    assert "the files that it lists give" in str(shop.verify().first)


def test_everything_that_is_wrong_is_counted(shop):
    paths = [shop.flip(shop.file("chunks", name)) for name in ("chunks.parquet", "chunker.json")]
    found = shop.verify()
    assert found.counts["differs"] >= 2 and all(any(str(path) in each for each in named(found)) for path in paths)


def test_a_part_that_was_made_again_is_told_apart_from_the_one_that_was_released(shop):
    """Same content, same digest; but the record vouches for the manifest of then."""
    shop.edit(shop.part("eval_questions").path / MANIFEST, made={"at": "2030-01-01T00:00:00+00:00"})
    found = shop.verify()
    assert [check.outcome for check in found.checks if check.what.startswith("eval_questions")] == ["made again"]
    assert not found.sound and found.first.what.startswith("eval_questions ")
