"""What a tuning reads: the pairs of both sides, wrong passages, and all passages, made ready for learning and measuring.

How the tables come into being is in `pairs.py` and `negatives.py`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..refusals import TrainingError
from .encoding import Learner
from .job import Job
from .loop import Material
from .pairs import on_measured_side

if TYPE_CHECKING:
    import numpy as np

PEOPLE = ("question", "feedback")  # origins of questions that people asked
FEWEST = 20  # questions of people; with fewer all held-out pairs are measured on, those that rules made too


@dataclass(frozen=True)
class Tables:
    """Pairs on the two sides, and the passages by chunk id (cluster, text_hash, text), all in memory."""

    learnt: list[dict]
    measured: list[dict]
    negatives: dict[str, list[str]]
    passages: dict[str, dict]

    @classmethod
    def read(cls, job: Job) -> "Tables":
        """Raises `TrainingError` when one side has no pairs."""
        import pyarrow.parquet as pq

        words, rows = job.words, pq.read_table(job.pairs).to_pylist()
        apart = [row for row in rows if on_measured_side(row["cluster"], words.held_out)]
        learnt = [row for row in rows if not on_measured_side(row["cluster"], words.held_out)]
        learnt = [row for row in learnt if words.origins is None or row["origin"] in words.origins]
        if not apart or len(learnt) < 2:
            clusters = len({row["cluster"] for row in rows})
            raise TrainingError(
                f"held_out: {words.held_out} puts {len(apart)} of {len(rows)} pairs ({clusters} document clusters) on the "
                f"measured side and leaves {len(learnt)} to learn from, both need some; choose another share or add questions"
            )
        asked = [row for row in apart if row["origin"] in PEOPLE]
        measured = asked if len(asked) >= FEWEST else apart
        passages = {row["chunk_id"]: row for row in pq.read_table(job.passages).to_pylist()}
        found = pq.read_table(job.negatives).to_pylist() if job.negatives else []
        return cls(learnt, measured, {row["pair_id"]: row["chunk_ids"] for row in found}, passages)

    def material(self, learner: Learner, share: float) -> Material:
        """The learnt side as token ids. Wrong passages of the measured side are left out: nothing of it is learnt from."""
        allowed = {name for name, row in self.passages.items() if not on_measured_side(row["cluster"], share)}
        wrong = [[name for name in self.negatives.get(row["pair_id"], []) if name in allowed] for row in self.learnt]
        used = sorted({row["chunk_id"] for row in self.learnt}.union(*wrong))
        number = {name: place for place, name in enumerate(used)}
        texts = {text: place for place, text in enumerate(sorted({self.passages[name]["text_hash"] for name in used}))}
        tokens = learner.tokens([self.passages[name]["text"] for name in used])
        return Material(
            questions=learner.tokens([row["question"] for row in self.learnt]),
            right=[number[row["chunk_id"]] for row in self.learnt],
            wrong=[[number[name] for name in names] for names in wrong],
            passages=dict(enumerate(tokens)),
            texts={number[name]: texts[self.passages[name]["text_hash"]] for name in used},
        )

    @cached_property
    def questions(self) -> list[str]:
        return [row["question"] for row in self.measured]

    @property
    def asked_by(self) -> str:
        """Whose questions the result is measured on."""
        return "people" if all(row["origin"] in PEOPLE for row in self.measured) else "people and rules"

    def searched(self, most: int) -> tuple[list[str], "np.ndarray"]:
        """Different passages to search among, at most `most` besides the right ones, and the place of each right one."""
        import numpy as np

        text = {row["text_hash"]: row["text"] for row in self.passages.values()}
        right = [self.passages[row["chunk_id"]]["text_hash"] for row in self.measured]
        names = sorted(set(right))
        names += sorted(text.keys() - set(right))[: max(0, most - len(names))]  # sorted by hash: a random sample
        place = {name: number for number, name in enumerate(names)}
        return [text[name] for name in names], np.array([place[name] for name in right])
