"""The graph of a release is found from records alone, also when versions share their content or are gone."""

import json
import shutil

import pytest

from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.lineage.graph import Graph, Records

from .small_product import Product, whole


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Product:
    return whole(tmp_path_factory.mktemp("made"))


@pytest.fixture
def product(made, tmp_path) -> Product:
    return made.copied(tmp_path / "home")


def graph(product: Product) -> Graph:
    return Graph.of(product.lake, product.history.live())


def test_every_version_is_there_with_its_role_and_none_twice(product):
    found = {node.asset: node for node in graph(product).nodes}
    assert found.keys() == {version.asset for version in product.made.values()}
    assert found["answers/fine_tuned_retrieval"].role == "answers"
    assert found["embeddings"].role == "" and found["raw_documents/handbook"].role == ""
    assert not graph(product).gone


def test_parents_come_before_what_was_made_from_them(product):
    place = {node.key: number for number, node in enumerate(graph(product).nodes)}
    edges = graph(product).edges
    assert len(edges) == sum(len(version.parents) for version in product.made.values())
    assert all(place[parent] < place[child] for parent, child in edges)


def test_of_versions_with_the_same_content_the_one_that_was_read_is_chosen(product):
    read = product.made["embeddings"]
    others = [product.step("embeddings", ("chunks",), config=n, write=_same_as(read)) for n in range(3)]
    assert {other.digest for other in others} == {read.digest}
    node = next(node for node in graph(product).nodes if node.asset == "embeddings")
    assert node.fingerprint == read.fingerprint


def test_a_version_that_is_gone_is_a_node_that_says_so(product):
    shutil.rmtree(product.made["raw_documents/handbook"].path)
    shutil.rmtree(product.made["checkpoint"].path)
    found = graph(product)
    assert [node.asset for node in found.gone] == ["raw_documents/handbook", "checkpoint"]
    assert "parsed_documents/handbook" in found.gone[0].reason and "no version" in found.gone[0].reason
    assert "the release pins" in found.gone[1].reason
    assert "documents" in {node.asset for node in found.nodes}  # the rest is still answered


def test_a_part_whose_manifest_says_something_else_is_marked(product):
    path = product.made["documents"].path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": "f" * 64}))
    node = next(node for node in graph(product).nodes if node.role == "documents")
    assert node.version is not None and "its manifest now says ffffffffffff" in node.reason


def test_a_parent_with_another_seal_is_marked(product):
    path = product.made["embeddings"].path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seal": "f" * 64}))
    node = next(node for node in graph(product).nodes if node.asset == "embeddings")
    assert "another seal" in node.reason


def test_each_asset_is_listed_once_and_parts_not_at_all(product, monkeypatch):
    listed = []
    manifests = type(product.lake).manifests
    monkeypatch.setattr(type(product.lake), "manifests", lambda lake, asset: listed.append(asset) or manifests(lake, asset))
    graph(product)
    assert sorted(listed) == ["embeddings", "parsed_documents/handbook", "raw_documents/handbook"]


def test_assets_are_found_without_looking_into_versions(product):
    assert "raw_documents/handbook" in (known := Records(product.lake).assets)
    assert set(known) == {version.asset for version in product.made.values()}


def _same_as(version: Version):
    return lambda draft: draft.json("embedder", version.json("embedder"))
