import random

from llmops_pipelines.lifecycle.datasets.splits import side, sides, sides_of

from .corpus_of import documents_of, lake_in, uri_on

CLUSTERS = [f"docs/{n}.md" for n in range(2000)]


def test_about_the_wanted_share_is_held_out():
    share = sum(side(cluster, 0.3) == "held_out" for cluster in CLUSTERS) / len(CLUSTERS)
    assert 0.27 < share < 0.33


def test_nothing_and_everything_can_be_held_out():
    assert {side(cluster, 0.0) for cluster in CLUSTERS} == {"train"}
    assert {side(cluster, 1.0) for cluster in CLUSTERS} == {"held_out"}


def test_a_larger_share_only_moves_clusters_out_of_training():
    moved_back = [c for c in CLUSTERS if side(c, 0.3) == "held_out" and side(c, 0.5) == "train"]
    assert moved_back == []


def test_the_side_is_fixed_for_ever():
    # A change here would put documents that released models were trained on into their evaluation.
    assert "".join(side(f"handbook/{name}.md", 0.5)[0] for name in "abcdefgh") == "thththth"


def grown(rng: random.Random, clusters: dict[str, str]) -> dict[str, str]:
    """The corpus a night later: new documents, clusters that merge or lose members; a cluster is named after its first."""
    groups: dict[str, set[str]] = {}
    for doc_id, cluster in clusters.items():
        if rng.random() > 0.05:
            groups.setdefault(cluster, set()).add(doc_id)
    sets = list(groups.values())
    for _ in range(rng.randint(1, 8)):
        new = f"docs/{rng.randrange(10**6):06d}.md"
        if sets and rng.random() < 0.5:
            rng.choice(sets).add(new)
        else:
            sets.append({new})
    if len(sets) > 2 and rng.random() < 0.5:
        one, other = rng.sample(range(len(sets)), 2)
        sets[one] |= sets[other]
        del sets[other]
    return {doc_id: min(group) for group in sets for doc_id in group}


def test_no_document_changes_side_however_the_corpus_grows():
    crossed = set()
    for seed in range(30):
        rng, clusters, seen = random.Random(seed), {}, {}
        for _ in range(40):
            clusters = grown(rng, clusters)
            found = sides(clusters, 0.4)
            held = {clusters[doc_id] for doc_id, place in found.items() if place == "held_out"}
            assert not any(clusters[doc_id] in held for doc_id, place in found.items() if place == "train")
            for doc_id, place in found.items():
                seen.setdefault(doc_id, set()).add(place)
                crossed |= {doc_id} if side(clusters[doc_id], 0.4) != side(doc_id, 0.4) else set()
        assert not any({"train", "held_out"} <= places for places in seen.values())
    assert crossed  # by the names of their clusters some would have changed side


def test_a_copy_that_was_left_out_of_the_corpus_still_counts(tmp_path):
    kept, copy = uri_on("train", "kept"), f"docs/{uri_on('held_out', 'copy')}"
    alone = documents_of(lake_in(tmp_path), {kept: "A text."})
    assert sides_of(alone, 0.5) == {f"docs/{kept}": "train"}
    beside = documents_of(lake_in(tmp_path), {kept: "A text."}, left_out={copy: f"docs/{kept}"})
    assert sides_of(beside, 0.5) == {f"docs/{kept}": "neither"}
