"""What a trained model is worth while one is still looking for settings: measured on training examples it did not learn from.

The evaluation questions are never used for this: settings that were chosen by them would look better than they are.
"""

import hashlib

from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

from .candidates import EvaluationError, weights_of
from .generation import Generator
from .text_metrics import token_f1

CODE = "validation/1"
SHARE = 0.2  # of the clusters of examples
ROWS = 300  # prompts at most: a trial is compared with others, not reported
LONGEST = 32  # tokens of an answer


def examples_apart(lake: Lake, examples: Version, name: str) -> tuple[Version, Version]:
    """The examples to learn from and those to measure on, by document cluster: versions of `<name>_learnt`, `<name>_held`."""

    def part(kind: str, held: bool) -> Version:
        def write(draft: Draft) -> None:
            import pyarrow.compute as pc

            table = examples.table()
            chosen = table.filter(pc.equal([_apart(cluster) for cluster in table.column("cluster").to_pylist()], held))
            if not chosen.num_rows:
                raise EvaluationError(f"{examples.asset}: too few document clusters to hold some apart; add documents")
            draft.table(f"{name}_{kind}", chosen)
            draft.facts["examples"] = chosen.num_rows

        return lake.once(f"{name}_{kind}", code=CODE, config={"share": SHARE}, parents=[examples], write=write)

    return part("learnt", False), part("held", True)


def token_f1_of(base: Version, trained: Version, held: Version) -> float:
    """Mean token F1 of the trained model's answers to the prompts of `held`, 0 to 1."""
    rows = sorted(held.table().to_pylist(), key=lambda row: row["example_id"])[:ROWS]
    model = Generator.open(*weights_of(base, trained))
    said = model.answer([row["prompt"] for row in rows], LONGEST)
    right = [row["completion"] if "completion" in row else row["chosen"] for row in rows]
    return sum(token_f1(text, answer) for text, answer in zip(said, right, strict=True)) / len(rows)


def _apart(cluster: str) -> bool:
    return int.from_bytes(hashlib.sha256(f"validation:{cluster}".encode()).digest()[:8], "big") / 2**64 < SHARE
