"""The cases that blame is tried on: one fault each (some two, some none) in a good product, and the metric that is asked about.

What the faults do is in `blame_documents.py` and `blame_settings.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import blame_documents as documents
import blame_settings as settings
from blame_documents import Truth
from blame_settings import candidate, pipeline, recipe, setting, several
from blame_world import World

INNOCENT = ("same", "noise")
DENSE = {"method": "dense"}


@dataclass(frozen=True)
class Case:
    """One fault. `prepare` makes another good product of the world's first, which is run and released before the fault."""

    name: str
    what: str
    fault: Callable[[World], Truth]
    world: str = "articles"
    prepare: Callable[[World], object] | None = None
    metric: str = "token_f1"
    judged: Literal["", "same", "moved"] = ""


CASES = [
    Case("poisoned", "5 of 204 documents poisoned", documents.poisoned),
    Case("poisoned_in_a_crowd", "the same, and 40 harmless edits", documents.poisoned_in_a_crowd),
    Case("poison_added", "5 poisonous documents added", documents.poison_added),
    Case("poison_repeated", "5 added that say the same lies", documents.poison_repeated),
    Case("edited_fact", "facts edited in 4 documents", documents.edited_fact),
    Case("deleted_section", "a section deleted in 8 documents", documents.deleted_section),
    Case("deleted_documents", "10 documents deleted", documents.deleted_documents),
    Case("stale_batch", "20 old documents delivered, 8 matter", documents.stale_batch),
    Case("chunks_quartered", "chunks of 16 tokens, not 64", setting("chunker", chunks={"tokens": 16})),
    Case("chunks_times_3", "chunks of 222 tokens (the most), not 64", setting("chunker", chunks={"tokens": 222})),
    Case("embedder", "another embedder", settings.another_embedder, prepare=settings.dense),
    Case("top_1", "1 passage, not 5", candidate("retriever", passages=1), prepare=settings.dense),
    Case("reranker_off", "reranker off", candidate("retriever", steps=["retrieve", "answer"]), prepare=settings.reranked),
    Case("search", "dense search, not the tuned mix", setting("retriever", retrieval=DENSE), prepare=settings.narrow),
    Case("other_references", "eval set: a third of the references changed", settings.other_references),
    Case("harder_questions", "eval set: harder questions added", settings.harder_questions),
    Case(
        "another_judge",
        "another judge named",
        settings.another_judge,
        prepare=settings.judged,
        metric="faithfulness",
        judged="same",
    ),
    Case(
        "moved_judge", "the judge moved", settings.moved_judge, prepare=settings.judged, metric="faithfulness", judged="moved"
    ),
    Case(
        "edits_and_top_1",
        "facts edited, and 1 passage",
        several(documents.edited_fact, candidate("retriever", passages=1)),
        prepare=settings.dense,
    ),
    Case(
        "chunks_and_embedder",
        "chunks of 16 tokens, and another embedder",
        several(setting("chunker", chunks={"tokens": 16}), settings.another_embedder),
        prepare=settings.dense,
    ),
    Case(
        "poison_and_search",
        "poison, and dense search",
        several(documents.poisoned, setting("retriever", retrieval=DENSE)),
        prepare=settings.narrow,
    ),
    Case(
        "three_at_once",
        "facts edited, another embedder, and 1 passage",
        several(documents.edited_fact, settings.another_embedder, candidate("retriever", passages=1)),
        prepare=settings.dense,
    ),
    Case("embedder_unfelt", "another embedder, and the mix tuned anew", settings.another_embedder),
    Case("improvement", "5 passages, not 1", settings.wider, prepare=settings.narrow_dense),
    Case("nothing", "rebuilt from the same files", settings.nothing),
    Case("harmless_document", "a document added that nobody asks about", documents.harmless_document),
    Case("description", "another description and owner", pipeline(description="Other words.", owner="team:others")),
    Case("broken_prompt", "the candidate's prompt broken", settings.broken_prompt, world="handbook"),
    Case("answer_length", "answers of 1 token", candidate("answering", max_new_tokens=1), world="handbook"),
    Case("edited_and_learnt", "16 documents edited, 6 of them learnt from", documents.edited_and_learnt, world="handbook"),
    Case("shuffled_labels", "training labels shuffled", settings.shuffled_labels, world="handbook"),
    Case("learning_rate", "learning rate times 100", recipe(learning_rate=0.2), world="handbook"),
    Case("truncated_dataset", "6 training questions left", settings.truncated_dataset, world="handbook"),
    Case("fewer_steps", "3 steps, not 60", recipe(budget={"steps": 3}), world="handbook"),
    Case("another_seed", "another seed of the training", lambda world: recipe(seed=1)(world) and Truth(), world="handbook"),
]
