"""The whole difference of two bundles. What one side lost is said, and the rest compared all the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from llmops_pipelines.lifecycle.lake import Refusal

from ..wording import number
from . import chunks as chunk_sets
from . import documents as corpora
from . import questions as asked
from . import rows as taught
from . import scores as measured
from . import settings as words
from .chunks import Chunks
from .documents import Documents
from .questions import Known, Questions
from .rows import Rows
from .scores import Scored
from .settings import Change, Rewritten
from .sides import Side, Unknown
from .steps import Step, shown, steps

DEFAULT = "token_f1"
Found = TypeVar("Found")


class UnknownMetric(Refusal):
    """Nobody measured that."""


@dataclass(frozen=True)
class Named:
    """Which bundle one side is. `epoch` is 0 for a candidate that was not released."""

    name: str
    epoch: int
    stage: str
    when: str
    by: str
    bundle: str


@dataclass(frozen=True)
class Difference:
    """Everything that differs; None where both sides have the same, or one cannot be read: then `unknown` says so."""

    pipeline: str
    before: Named
    after: Named
    same: bool
    metric: str
    steps: tuple[Step, ...]
    settings: tuple[Change, ...]
    prompts: tuple[Rewritten, ...]
    packages: tuple[Change, ...]
    terms: tuple[Change, ...]
    documents: Documents | None
    chunks: Chunks | None
    rows: tuple[Rows, ...]
    scores: tuple[Scored, ...]
    slices: tuple[Scored, ...]
    questions: Questions | None
    unknown: tuple[str, ...]

    @property
    def headline(self) -> Scored | None:
        """The score that decides."""
        return next((each for each in self.scores if each.metric == self.metric), None)

    @property
    def moved(self) -> tuple[Step, ...]:
        return tuple(each for each in self.steps if not each.same)


def compare(before: Side, after: Side, metric: str = "") -> Difference:
    """`metric` decides which questions flipped; without it, the one that the gate of the later side asked for. Raises
    `UnknownMetric` for one that neither side measured."""
    metric, unknown = _measured(metric, before, after) if metric else _deciding(after, before), []

    def known(find: Callable[[], Found], otherwise: Found) -> Found:
        try:
            return find()
        except Unknown as why:
            unknown.append(str(why))
            return otherwise

    moved = {name for name in {*before.record.parts, *after.record.parts} if _digest(before, name) != _digest(after, name)}
    with ThreadPoolExecutor(1) as beside:  # reading a million chunks leaves this thread free
        cut = beside.submit(chunk_sets.chunks, before, after) if moved & {"index", "chunks"} else None
        told = asked.answered(before), asked.answered(after)
        documents = None
        if "documents" in moved:
            documents = known(lambda: corpora.documents(before, after, asked.read_documents(*told)), None)
        rows = [known(lambda name=name: taught.rows(before, after, name), None) for name in taught.TABLES if name in moved]
        scores, slices, questions = known(lambda: _scores(before, after, metric, told, documents), ((), (), None))
        settings = known(lambda: words.all_changes(before, after), ())
        chunks = known(cut.result, None) if cut else None
    return Difference(
        pipeline=after.record.pipeline,
        before=_named(before),
        after=_named(after),
        same=before.bundle == after.bundle,
        metric=metric,
        steps=steps(before, after),
        settings=settings,
        prompts=words.rewritten(before, after),
        packages=words.packages(before, after),
        terms=words.terms(before, after),
        documents=documents,
        chunks=chunks,
        rows=tuple(filter(None, rows)),
        scores=scores,
        slices=slices,
        questions=questions,
        unknown=tuple(unknown),
    )


def sentence(found: Difference) -> str:
    """What matters, in a few sentences."""
    if found.same:
        return f"{found.after.name} answers with the same bundle as {found.before.name}.{_became(found)}"
    return f"{found.after.name} is another bundle than {found.before.name}.{_origin(found)}{_corpus(found)}{_became(found)}"


def _origin(found: Difference) -> str:
    own = [shown(each.name) for each in found.moved if each.own and not each.aside]
    if own:
        return f" What differs of itself: {', '.join(own)}."
    return " Only settings and prompts differ." if found.settings or found.prompts else ""


def _corpus(found: Difference) -> str:
    counts = found.documents.counts if found.documents else {}
    told = [f"{counts[kind]:,} {kind}" for kind in ("added", "removed", "renamed", "edited") if counts.get(kind)]
    return f" Documents: {', '.join(told)}." if told else ""


def _became(found: Difference) -> str:
    score = found.headline
    if score is None:
        return " The scores cannot be compared."
    if score.change is None:
        return f" {score.metric} cannot be compared: {score.reason}."
    if not score.change and not score.beyond_noise:
        return f" {score.metric} is the same, {_value(score.after)}."
    way = ("fell" if score.change < 0 else "rose") if score.beyond_noise else "moved within noise"
    spread = f"{score.change:+.3f}, between {score.low:+.3f} and {score.high:+.3f}, on the {score.n} questions of both"
    flips = f"; {found.questions.worse} got worse, {found.questions.better} better" if found.questions else ""
    return f" {score.metric} {way} from {_value(score.before)} to {_value(score.after)} ({spread}{flips})."


def _value(score: float | None) -> str:
    return "unknown" if score is None else number(float(score))


def _scores(before: Side, after: Side, metric: str, told: tuple[Known, Known], documents: Documents | None) -> tuple:
    old, new = measured.report(before), measured.report(after)
    found = measured.scores(before, after, old, new)
    flips = asked.questions(*told, old, new, metric, documents)
    return found, measured.slices(old, new), flips


def _deciding(*sides: Side) -> str:
    for side in sides:
        evidence = side.record.evidence
        for metrics in (evidence.get("against_base"), evidence.get("choice", {}).get("metric")):
            if metrics:
                return metrics if isinstance(metrics, str) else next(iter(metrics))
    return DEFAULT


def _measured(metric: str, *sides: Side) -> str:
    known: set[str] = set()
    for side in sides:
        with suppress(Unknown):
            known |= measured.summary(side).keys()
    if known and metric not in known:
        raise UnknownMetric(f"--metric: nobody measured {metric!r}; expected one of: {', '.join(sorted(known))}")
    return metric


def _digest(side: Side, role: str) -> str:
    return side.record.parts.get(role, {}).get("digest", "")


def _named(side: Side) -> Named:
    record = side.record
    when = record.promoted_at or record.prepared_at
    return Named(side.name, record.epoch, record.stage if record.epoch else "", when, record.actor, side.bundle)
