"""Near-duplicates are verified exactly, whatever the order of documents; clusters connect what must not be split."""

import random
import re
import time

import numpy as np
import pytest

from llmops_pipelines.lifecycle.corpus.similarity import buckets, duplicates
from llmops_pipelines.lifecycle.corpus.similarity.shingles import mix, shingles

from ..formats.small_files import SUBJECTS, prose


def compare(texts: dict[str, str], similarity: float = 0.8) -> tuple[dict[str, str], dict[str, str]]:
    """{dropped: kept}, {name: first name of its cluster}; names are ranked by the alphabet, rows as they come."""
    names = list(texts)
    order = np.array([sorted(names).index(name) for name in names])
    found = duplicates.profiles(list(texts.values()), similarity)
    pairs = duplicates.candidate_pairs(found["bands"], found["sizes"], similarity, order)
    jaccards = duplicates.verify(pairs, list(texts.values()))
    dropped, near = duplicates.similar(pairs, jaccards, order, similarity)
    kept = ~np.isin(found["owners"], list(dropped))
    paragraphs = duplicates.shared_paragraphs(found["paragraphs"][kept], found["owners"][kept])
    clusters = duplicates.clusters(order, near, paragraphs)
    return (
        {names[row]: names[other] for row, other in dropped.items()},
        {name: names[cluster] for name, cluster in zip(names, clusters, strict=True)},
    )


def words(start: int, count: int = 100) -> str:
    return " ".join(f"w{n}" for n in range(start, start + count))


def sequences(text: str) -> set[tuple[str, ...]]:
    found = re.findall(r"\w+", text.casefold())
    return set(zip(found, found[1:], found[2:], strict=False)) or {tuple(found)}


def test_the_first_by_id_is_kept_in_every_order():
    texts = {"b": prose("harbour") + " One more word.", "a": prose("harbour"), "c": prose("radio")}
    for seed in range(5):
        names = list(texts)
        random.Random(seed).shuffle(names)
        assert compare({name: texts[name] for name in names}) == ({"b": "a"}, {"a": "a", "b": "a", "c": "c"})


def test_a_thousand_texts_give_the_same_answer_in_every_order():
    drawn = random.Random(1)
    texts = {f"{n:04}": " ".join(drawn.choices("abcdefghijklmnop", k=60)) for n in range(800)}
    for n in range(800, 1000):  # chains of edits: each a word away from an earlier one
        text = texts[f"{drawn.randrange(n):04}"].split()
        text[drawn.randrange(60)] = "edit"
        texts[f"{n:04}"] = " ".join(text)
    found = compare(texts)
    assert len(found[0]) > 150
    for seed in range(2):
        names = list(texts)
        random.Random(seed).shuffle(names)
        assert compare({name: texts[name] for name in names}) == found


def test_the_greedy_rule_is_the_one_that_is_written_down():
    """The oracle visits texts by name and drops what is similar to a kept one."""
    drawn = random.Random(2)
    texts = {f"{n:03}": words(drawn.randrange(0, 400)) for n in range(60)}
    kept: list[str] = []
    expected = {}
    for name in texts:
        near = [k for k in kept if _jaccard(texts[k], texts[name]) >= 0.8]
        if near:
            expected[name] = near[0]
        else:
            kept.append(name)
    assert expected and compare(texts)[0] == expected


def _jaccard(a: str, b: str) -> float:
    first, second = sequences(a), sequences(b)
    return len(first & second) / len(first | second)


def test_candidates_are_verified_not_believed():
    texts = [prose("harbour"), prose("radio")]
    pairs = duplicates.candidate_pairs(np.ones((2, 3), np.uint64), np.array([50, 50]), 0.8)
    assert pairs.tolist() == [[0, 1]]
    jaccards = duplicates.verify(pairs, texts)
    assert duplicates.similar(pairs, jaccards, np.arange(2), 0.8)[0] == {}


def test_the_similarity_is_exact_also_between_texts_of_all_lengths():
    texts = [
        "",
        "one",
        "one two",
        "One, two THREE",
        "one two three four",
        "Größe größe GRÖSSE one",
        words(0, 3000),
        words(50, 3000),
    ]
    texts += [prose(subject) for subject in SUBJECTS]
    pairs = np.array([(a, b) for a in range(len(texts)) for b in range(a + 1, len(texts))])
    expected = [_jaccard(texts[a], texts[b]) for a, b in pairs]
    assert duplicates.verify(pairs, texts) == pytest.approx(expected, abs=0)


def test_a_text_has_the_same_profile_alone_and_among_others():
    texts = ["", "a", "\0 zero \0", "naïve Ünïcode", "词语之间没有空格", "word" * 5000, *map(prose, SUBJECTS), words(0, 9000)]
    together = duplicates.profiles(texts, 0.8)
    for n, text in enumerate(texts):
        alone = duplicates.profiles([text], 0.8)
        assert np.array_equal(alone["bands"][0], together["bands"][n]) and alone["sizes"][0] == together["sizes"][n]
        assert np.array_equal(alone["paragraphs"], together["paragraphs"][together["owners"] == n])


def test_scripts_without_spaces_have_sequences_too():
    text = "渡轮早上九点离开港口晚上回来码头上的灯都亮了"
    assert duplicates.profiles([text], 0.8)["sizes"][0] == len(text) - 2
    assert compare({"a": text * 2, "b": text * 2 + "走"})[0] == {"b": "a"}


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


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
def test_nearly_all_pairs_at_the_limit_share_a_band(similarity):
    count, rows = duplicates.bands(similarity)
    shift = round(98 * (1 - similarity) / (1 + similarity))  # of 98 sequences 98 - shift are shared
    texts = [words(start + side) for start in range(0, 200_000, 200) for side in (0, shift)]
    keys = duplicates.profiles(texts, similarity)["bands"]
    found = (keys[0::2] == keys[1::2]).any(axis=1).mean()
    assert keys.shape[1] == count and count * rows <= 128
    assert found >= 0.97
    assert (keys[0:-2:2] == keys[2::2]).any(axis=1).mean() < 0.01  # texts with nothing in common


def test_pairs_whose_sizes_rule_the_similarity_out_are_no_candidates():
    keys = np.ones((3, 2), np.uint64)
    assert duplicates.candidate_pairs(keys, np.array([100, 79, 80]), 0.8).tolist() == [[0, 2], [1, 2]]


def test_a_family_of_pages_from_one_template_costs_few_pairs_and_loses_no_duplicate():
    frame = words(0, 30)
    texts = {f"{n:04}": f"{frame} {words(10_000 + 100 * n, 70)}" for n in range(700)}  # 0.17 of each other
    texts |= {f"copy {n:04}": texts[f"{n:04}"] + " end" for n in range(0, 700, 10)}
    found = duplicates.profiles(list(texts.values()), 0.8)
    found["bands"][:, 0] = 5  # as if one band came from the frame in all of them
    pairs = duplicates.candidate_pairs(found["bands"], found["sizes"], 0.8)
    assert len(pairs) < 10 * len(texts)  # all pairs would be 385 per text
    dropped, _ = duplicates.similar(pairs, duplicates.verify(pairs, list(texts.values())), np.arange(len(texts)), 0.8)
    names = list(texts)
    assert {names[row]: names[kept] for row, kept in dropped.items()} == {f"copy {n:04}": f"{n:04}" for n in range(0, 700, 10)}


def test_more_pairs_than_wanted_lower_the_limit_of_buckets(monkeypatch):
    monkeypatch.setattr(buckets, "ALWAYS", 1000)
    keys = np.repeat(mix(np.arange(20, dtype=np.uint64)), 100)[:, None]  # 20 buckets of 100: 99,000 pairs
    pairs = duplicates.candidate_pairs(keys, np.full(2000, 50), 0.8)
    assert len(pairs) == 20 * (99 + 98 + 97 + 96)
    assert len(np.unique(duplicates.clusters(np.arange(2000), pairs))) == 20


def test_batches_cover_all_pairs_once():
    pairs, sizes = np.array([[0, 1], [0, 2], [1, 2], [2, 3]]), np.array([10, 10, 500, 10])
    parts = list(duplicates.batches(pairs, sizes, most=100))
    assert [n for part in parts for n in range(4)[part]] == [0, 1, 2, 3] and len(parts) == 4


def test_a_shared_long_paragraph_joins_documents_and_a_short_one_does_not():
    shared, short = " ".join(["notice", *words(0, 45).split()]), words(0, 20)
    texts = {f"{n}": f"{prose(s)}\n\n{shared if n < 3 else short}" for n, s in enumerate(SUBJECTS)}
    dropped, clusters = compare(texts)
    assert not dropped
    assert {clusters[name] for name in "012"} == {"0"} and len(set(clusters.values())) == 8


def test_clusters_are_named_by_their_first_member():
    order = np.array([5, 4, 3, 2, 1, 0])
    links = [np.array([[0, 1], [3, 4]]), np.array([[1, 2]])]
    assert duplicates.clusters(order, *links).tolist() == [2, 2, 2, 4, 4, 5]


def test_profiles_become_rows_of_a_table():
    texts = [prose("harbour"), words(0, 50), "short"]
    table = duplicates.profile_table(["x", "y", "z"], duplicates.profiles(texts, 0.8)).to_pydict()
    assert [len(row) for row in table["paragraphs"]] == [1, 1, 0] and table["size"][2] == 1
    assert {len(row) for row in table["bands"]} == {duplicates.bands(0.8)[0]}


def test_hostile_texts_take_no_time():
    start = time.process_time()
    for text in ("a" * 3_000_000, "a " * 500_000, "\n" * 1_000_000, "\u0301" * 500_000, "é" * 500_000, "\0" * 500_000):
        assert len(shingles([text, "end"]).starts) == 3
        duplicates.profiles([text], 0.8)
    assert time.process_time() - start < 5
