"""The measured values of coalitions: what each mix of the two products scores, question by question.

A coalition is named by the parts that stand as in the bad product, measuring instruments (judge, evaluation set) included.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from llmops_pipelines.config.evaluation import JUDGED
from llmops_pipelines.lifecycle.index import Embedder

from .attribution import Bootstrap, Coalition, Terms, alone, shares
from .bundles import BlameError, Bundle, parent
from .hybrids import Doors, Hybrids
from .parts import JUDGE, ORDER, QUESTIONS, Player
from .players import players
from .questions import Yardstick, yardstick
from .scoring import Scored, Scorer

NOTHING: Coalition = frozenset()


@dataclass
class Measured:
    """Everything that differs, and the values of the coalitions that were measured so far."""

    good: Bundle
    bad: Bundle
    metric: str
    players: list[Player]
    instruments: list[Player]
    yard: Yardstick
    hybrids: Hybrids
    scorer: Scorer
    values: dict[Coalition, Scored] = field(default_factory=dict)

    @classmethod
    def of(cls, good: Bundle, bad: Bundle, doors: Doors, metric: str) -> "Measured":
        """Nothing is measured yet. Raises `BlameError` for a metric that was not recorded on both sides."""
        _recorded_on_both(good, bad, metric)
        _nothing_erased_between(good, bad)
        yard, product = yardstick(good, bad), players(good, bad)
        instruments = [Player(QUESTIONS, yard.moved)] if yard.moved else []
        if metric in JUDGED and (said := _judge_moved(good, bad)):
            instruments.append(Player(JUDGE, said))
        differ = frozenset(part for each in product for part in each.parts)
        judge = parent(bad.lake, bad.part("eval_scores"), "judge") if metric in JUDGED else None
        eyes = lambda: Embedder.open(bad.embeddings, doors.secrets)  # noqa: E731
        scorer = Scorer(bad.lake, metric, eyes, judge, doors.judging, doors.secrets)
        return cls(good, bad, metric, product, instruments, yard, Hybrids(good, bad, doors, differ), scorer)

    @property
    def everything(self) -> list[Player]:
        return [*self.players, *self.instruments]

    @property
    def all_of_it(self) -> Coalition:
        return frozenset(each.name for each in self.everything)

    @property
    def judge_moved(self) -> bool:
        return any(each.name == JUDGE for each in self.instruments)

    def terms(self, seed: int) -> dict[str, Terms]:
        """The shares of all that differs. The judge's comes first: everything else is measured with the newer judge, since
        the older one cannot be asked any more."""
        names = [each.name for each in self.everything if each.name != JUDGE]
        if not self.judge_moved:
            return shares(names, seed)
        judged = {
            name: {coalition | {JUDGE}: factor for coalition, factor in terms.items()}
            for name, terms in shares(names, seed).items()
        }
        return {JUDGE: alone(JUDGE), **judged}

    def alone(self, name: str) -> Terms:
        """What swapping one part does, and nothing else."""
        if self.judge_moved and name != JUDGE:
            return {frozenset([name, JUDGE]): 1.0, frozenset([JUDGE]): -1.0}
        return alone(name)

    def measure(self, wanted: Iterable[Coalition], say: Callable[[str], None]) -> None:
        """Measure what is not known yet."""
        missing = [each for each in wanted if each not in self.values]
        for number, coalition in enumerate(missing, 1):
            if not self.hybrids.recorded(mix := self.mix(coalition)):
                say(f"{number}/{len(missing)}  with {', '.join(part for part in ORDER if part in mix)} of the bad one")
            self.values[coalition] = self._measure(coalition)

    def _measure(self, coalition: Coalition) -> Scored:
        questions = self.yard.side(QUESTIONS in coalition)
        recorded = {name: score for name, score in self._recorded(coalition).items() if name in questions}
        older_judge = self.judge_moved and JUDGE not in coalition
        if older_judge or not questions.keys() - recorded.keys():
            return recorded
        return self._scored(coalition) | recorded

    def mix(self, coalition: Coalition) -> frozenset[str]:
        """The parts of the product that stand as in the bad one."""
        return frozenset(part for each in self.players if each.name in coalition for part in each.parts)

    def _scored(self, coalition: Coalition) -> Scored:
        mix, questions = self.mix(coalition), self.yard.side(QUESTIONS in coalition)
        said = self.hybrids.answers(mix, sorted({each.question for each in questions.values()}))
        spec = self.hybrids.spec(mix)
        return self.scorer.scores(questions, said, spec.refusal, spec.passages, spec.retrieves)

    def _recorded(self, coalition: Coalition) -> Scored:
        """A judge is not asked again about what it has judged: the rows of the two eval_scores."""
        if self.metric not in JUDGED:
            return {}
        moved = frozenset(each.name for each in self.instruments)
        same = self.hybrids.recorded(self.mix(coalition))
        for bundle, instruments in ((self.good, NOTHING), (self.bad, moved)):
            if bundle in same and coalition & moved == instruments:
                rows = bundle.part("eval_scores").table().to_pylist()
                of_metric = [row for row in rows if row["metric"] == self.metric and row["score"] is not None]
                return {row["question_id"]: row["score"] for row in of_metric}
        return {}

    def bootstrap(self, coalitions: Iterable[Coalition] | None = None) -> Bootstrap:
        """Over questions that have a score wherever they are asked: an endpoint that failed once must make no difference.

        Raises `BlameError` when no such question is left."""
        chosen = {each: self.values[each] for each in (self.values if coalitions is None else coalitions)}
        kept: dict[bool, set[str]] = {}
        for coalition, scores in chosen.items():
            side = QUESTIONS in coalition
            kept[side] = kept[side] & scores.keys() if side in kept else set(scores)
        if not all(kept.values()):
            raise BlameError(f"{self.metric} has no score on a question that both sides were asked; name another --metric")
        return Bootstrap(
            {
                coalition: {name: score for name, score in scores.items() if name in kept[QUESTIONS in coalition]}
                for coalition, scores in chosen.items()
            }
        )


def _recorded_on_both(good: Bundle, bad: Bundle, metric: str) -> None:
    known = [side.part("eval_scores").json("measures") for side in (good, bad)]
    if not all(metric in each for each in known):
        both = ", ".join(sorted(set(known[0]) & set(known[1])))
        raise BlameError(f"--metric: {metric} was not measured on both sides; measured are {both}")


def _judge_moved(good: Bundle, bad: Bundle) -> str:
    a, b = good.judge, bad.judge
    if (a.get("identity"), a.get("epoch")) == (b.get("identity"), b.get("epoch")):
        return ""
    if a.get("identity") != b.get("identity"):
        return f"another judge: {a.get('named', 'none')} -> {b.get('named', 'none')}"
    return f"the same judge scores its anchors otherwise: {b.get('moved')}"


def _nothing_erased_between(good: Bundle, bad: Bundle) -> None:
    """A document that only one side held and that was erased since cannot be put back: without it another part would look
    guilty. Raises `BlameError`."""
    receipts = [{each["receipt"] for each in side.part("documents").manifest.get("redacted", ())} for side in (good, bad)]
    if receipts[0] != receipts[1]:
        raise BlameError(
            f"documents that only one of the two held were erased since (receipt {min(receipts[0] ^ receipts[1])}); what "
            "they did cannot be measured any more; what was found before stands in the asset regression"
        )
