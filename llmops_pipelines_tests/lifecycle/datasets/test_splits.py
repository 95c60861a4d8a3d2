from llmops_pipelines.lifecycle.datasets.splits import side

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
