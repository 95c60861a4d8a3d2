"""A freeze is one file: the first one counts, a damaged one counts too, and nothing is lost when two people act at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from llmops_pipelines.resources import freeze


def test_the_first_freeze_counts(home):
    assert freeze.frozen(home, "shop") is None and freeze.skip(home, "shop") is None
    begun = freeze.freeze(home, "shop", "ann", "wrong prices")
    assert freeze.frozen(home, "shop") == begun
    assert freeze.skip(home, "shop").skip_message == "frozen by ann: wrong prices"
    assert freeze.frozen(home, "other") is None
    with pytest.raises(freeze.AlreadyFrozen, match="frozen by ann: wrong prices"):
        freeze.freeze(home, "shop", "bob", "deploy")


def test_a_file_that_cannot_be_read_counts_as_a_freeze(home):
    freeze.freeze(home, "shop", "ann", "wrong prices")
    (home.folder / "frozen" / "shop.json").write_text("{")
    assert "cannot be read" in str(freeze.frozen(home, "shop"))
    assert freeze.unfreeze(home, "shop", "bob") and freeze.frozen(home, "shop") is None


def test_of_many_people_at_once_one_freezes_and_the_log_has_every_line(home):
    def act(number: int) -> bool:
        try:
            freeze.freeze(home, "shop", f"person {number}", "all at once")
            return True
        except freeze.AlreadyFrozen:
            return freeze.unfreeze(home, "shop", f"person {number}") is not None

    with ThreadPoolExecutor(8) as threads:
        acted = sum(threads.map(act, range(40)))
    kinds = [each["what"] for each in freeze.log(home, "shop")]
    assert len(kinds) == acted and kinds == ["freeze", "unfreeze"] * (acted // 2) + ["freeze"] * (acted % 2)
