"""One identity per value, and nothing in it that differs between machines or days."""

import pytest

from llmops_pipelines.config.words import Words
from llmops_pipelines.lifecycle.lake import digest, fingerprint
from llmops_pipelines.lifecycle.lake.digests import BLOCK, file_digest


class Settings(Words):
    size: int = 3


def test_key_order_does_not_matter_and_values_do():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_settings_count_by_their_values():
    assert digest(Settings()) == digest({"size": 3})


def test_what_has_no_canonical_form_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))
    with pytest.raises(TypeError, match="set has no canonical form"):
        digest({1, 2})


def test_the_fingerprint_of_a_step_moves_with_each_part_of_it():
    same = fingerprint("1", {"size": 3}, {"a": "x"})
    assert same == fingerprint("1", Settings(), {"a": "x"})
    others = [("2", {"size": 3}, {"a": "x"}), ("1", {"size": 4}, {"a": "x"}), ("1", {"size": 3}, {"a": "y"})]
    assert same not in [fingerprint(*other) for other in others]


@pytest.mark.parametrize("size", [0, 5, BLOCK, BLOCK + 7, 3 * BLOCK, 3 * BLOCK + 1])
def test_a_hole_in_a_file_counts_as_the_zeros_that_it_reads_as(tmp_path, size):
    holes, written, other = (tmp_path / name for name in ("holes", "written", "other"))
    for path in (holes, other):
        with path.open("wb") as file:
            file.truncate(size)
    written.write_bytes(bytes(size))
    assert file_digest(holes) == file_digest(written)
    with other.open("r+b") as file:
        file.seek(max(0, size - 1))
        file.write(b"x")
    assert file_digest(other) != file_digest(holes)
