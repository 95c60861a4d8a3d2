"""The parts of a product by name, and in which of them two bundles differ, as far as each was written by somebody.

What is made from other parts (tuned settings, trained checkpoints) is `origins.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llmops_pipelines.config.candidates import Step

from .bundles import Bundle, differing, told
from .corpora import changed, counted

DOCUMENTS, CHUNKER, EMBEDDER, RETRIEVER = "documents", "chunker", "embedder", "retriever"
PROMPT, ANSWERING, BASE, TRAINING, JUDGE, QUESTIONS = "prompt", "answering", "base", "training", "judge", "eval set"
ORDER = (DOCUMENTS, CHUNKER, EMBEDDER, RETRIEVER, PROMPT, ANSWERING, BASE, TRAINING, JUDGE, QUESTIONS)
SEARCH_STEPS: tuple[Step, ...] = ("retrieve", "rerank")


@dataclass(frozen=True)
class Player:
    """A part that differs. `members` are the parts that can only be swapped together; `roots` the parts that it follows from,
    none where it was changed itself, with their `weights` where it can be counted how much each had to do with it."""

    name: str
    said: str
    roots: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def parts(self) -> frozenset[str]:
        return frozenset(self.members or [self.name])


def documents(good: Bundle, bad: Bundle) -> Player | None:
    if good.part("documents").digest == bad.part("documents").digest:
        return None
    changes = changed(good.part("documents"), bad.part("documents"))
    return Player(DOCUMENTS, counted(changes, bad.part("documents").rows())) if changes else None


def chunker(good: Bundle, bad: Bundle) -> Player | None:
    settings = [{key: value for key, value in side.chunker.items() if key != "fingerprint"} for side in (good, bad)]
    if settings[0] != settings[1]:
        return Player(CHUNKER, told(differing(*settings)))
    same = good.chunker["fingerprint"] == bad.chunker["fingerprint"] or good.embedder != bad.embedder  # another tokenizer
    return None if same else Player(CHUNKER, "the code of the chunker changed")


def embedder(good: Bundle, bad: Bundle) -> Player | None:
    if good.embedder == bad.embedder:
        return None
    changes = told(differing(*(side.candidate.settings["embeddings"] for side in (good, bad))))
    return Player(EMBEDDER, changes or "other files in the model's folder")


def asked_otherwise(good: Bundle, bad: Bundle) -> Iterator[str]:
    """What the specs and the pipelines say themselves about searching."""
    said = [
        {
            "passages": side.spec.passages,
            "search": side.spec.search.model_dump(mode="json") if side.spec.search else {},
            "steps": " ".join(step for step in side.spec.steps if step in SEARCH_STEPS),
            "index": side.candidate.settings["index"],
        }
        for side in (good, bad)
    ]
    if changes := told(differing(*said)):
        yield changes


def prompt(good: Bundle, bad: Bundle) -> Player | None:
    said = []
    for name in ("prompt", "rewrite", "verify"):
        a, b = getattr(good.spec, name), getattr(bad.spec, name)
        if (a.digest if a else None) != (b.digest if b else None):
            words = [each.words.model_dump(exclude={"description"}) if each else {} for each in (a, b)]
            fields = ", ".join(path for path, _, _ in differing(*words))
            said.append(f"{name}: {fields} changed" if a and b else f"{name} {'added' if b else 'removed'}")
    steps = [[step for step in side.spec.steps if step not in SEARCH_STEPS] for side in (good, bad)]
    if steps[0] != steps[1]:
        said.append(f"steps {' '.join(steps[0])} -> {' '.join(steps[1])}")
    return Player(PROMPT, ", ".join(said)) if said else None


def answering(good: Bundle, bad: Bundle) -> Player | None:
    said = [
        {
            **{name: getattr(side.spec, name) for name in ("model", "compression", "max_new_tokens", "refusal")},
            "endpoint": side.spec.endpoint.identity if side.spec.endpoint else {},
        }
        for side in (good, bad)
    ]
    changes = told(differing(*said))
    return Player(ANSWERING, changes) if changes else None


def base(good: Bundle, bad: Bundle) -> Player | None:
    if good.weights == bad.weights:
        return None
    return Player(BASE, f"other weights: {good.weights[:12] or 'none'} -> {bad.weights[:12] or 'none'}")
