"""Near-duplicates are verified exactly, whatever the order of documents; clusters connect what must not be split."""

import random

from llmops_pipelines.lifecycle.corpus import duplicates

from .small_files import SUBJECTS, prose


def compare(texts: dict[str, str], similarity: float = 0.8) -> tuple[dict[str, str], dict[str, str]]:
    groups = duplicates.Groups()
    profiles = {name: duplicates.profile(text) for name, text in texts.items()}
    signatures = {name: profile["signature"] for name, profile in profiles.items()}
    names = {name: name for name in texts}
    dropped = duplicates.near_duplicates(names, signatures, texts.__getitem__, similarity, groups)
    duplicates.join_shared_paragraphs({name: profile["paragraphs"] for name, profile in profiles.items()}, groups)
    return dropped, {name: groups.find(name) for name in texts}


def words(start: int, count: int = 100) -> str:
    return " ".join(f"w{n}" for n in range(start, start + count))


def test_the_first_by_id_is_kept_in_every_order():
    texts = {"b": prose("harbour") + " One more word.", "a": prose("harbour"), "c": prose("radio")}
    for seed in range(5):
        names = list(texts)
        random.Random(seed).shuffle(names)
        assert compare({name: texts[name] for name in names}) == ({"b": "a"}, {"a": "a", "b": "a", "c": "c"})


def test_candidates_are_verified_not_believed(monkeypatch):
    texts = {"a": prose("harbour"), "b": prose("radio")}
    same = duplicates.profile("equal")["signature"]
    monkeypatch.setattr(duplicates, "profile", lambda text: {"signature": same, "paragraphs": []})
    assert compare(texts)[0] == {}


def test_a_chain_drops_only_what_is_near_to_a_kept_text_but_stays_one_cluster():
    texts = {"a": words(0), "b": words(8), "c": words(16)}  # each 0.84 from the next, a and c 0.72
    dropped, clusters = compare(texts)
    assert dropped == {"b": "a"}
    assert set(clusters.values()) == {"a"}


def test_pairs_just_above_the_limit_are_found_and_just_below_are_not():
    for start in range(0, 4000, 200):
        near = {"a": words(start), "b": words(start + 10)}  # 88 of 108 shared: 0.81
        far = {"a": words(start), "b": words(start + 12)}  # 86 of 110 shared: 0.78
        assert compare(near)[0] == {"b": "a"} and compare(far)[0] == {}


def test_a_shared_long_paragraph_joins_documents_and_a_short_one_does_not():
    shared, short = " ".join(["notice", *words(0, 45).split()]), words(0, 20)
    texts = {f"{n}": f"{prose(s)}\n\n{shared if n < 3 else short}" for n, s in enumerate(SUBJECTS)}
    dropped, clusters = compare(texts)
    assert not dropped
    assert {clusters[name] for name in "012"} == {"0"} and len(set(clusters.values())) == 8


def test_groups_are_named_by_their_smallest_member():
    groups = duplicates.Groups()
    for pair in [("d", "c"), ("b", "e"), ("e", "c"), ("z", "y")]:
        groups.join(*pair)
    assert [groups.find(name) for name in "bcdeyz"] == ["b", "b", "b", "b", "y", "y"]
