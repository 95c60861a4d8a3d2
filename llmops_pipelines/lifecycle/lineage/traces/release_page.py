"""How the lineage of a release is shown: its header, a row per step, sources, settings, scores and the gate's reasons."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..page import Bars, Block, Cell, Facts, Page, Table, Value
from .release import Listed, ReleaseLineage, Source, Step

DRAWN = 8  # steps
SHOWN = 200  # documents on a page; the JSON has all
PACKAGES = ("dagster", "torch", "transformers", "peft", "deepspeed", "sentence-transformers", "qdrant-client", "qdrant-edge-py",
            "mlflow", "pyarrow", "ragas")  # fmt: skip
HEADLINE = ("token_f1", "exact_match", "similarity", "refusal_right", "hit_at_5", "mrr_at_10", "document_recall")


def release_page(found: ReleaseLineage) -> Page:
    """The page of one release."""
    blocks: list[Block] = [header(found), _phases(found), _steps(found.steps), _totals(found), *_costs(found.steps)]
    blocks.append(_sources(found.sources))
    blocks += [Facts(title, values) for title, values in _settings(found)]
    blocks += [*_drawn(found), scores(found), _reasons(found), _packages(found)]
    if found.documents is not None:
        blocks.append(_documents(found.documents))
    return Page(
        title=f"Lineage of release {found.release} of {found.pipeline}",
        answer=_answer(found),
        blocks=[block for block in blocks if not isinstance(block, Table) or block.rows],
        mark="bad" if found.gone else "",
        next=_next(found),
    )


def header(found: ReleaseLineage) -> Facts:
    """Who released what, when and why."""
    return Facts(
        "Release",
        {
            "stage": f"{found.stage}, {found.phase}" + (f"; live now in {', '.join(found.live_in)}" if found.live_in else ""),
            "what": found.kind + (f" of release {found.moves}" if found.moves else ""),
            "when": found.promoted_at or found.prepared_at or "not recorded",
            "by": found.actor or "not recorded",
            "why": found.why or "not recorded",
            "replaced": f"release {found.replaces}" if found.replaces else "nothing",
            "candidate": found.candidate or "not recorded",
            "model version": found.model_version or "none",
            "MLflow run": found.mlflow_run or "none",
            "code": found.code or "not recorded",
            "judge": found.judge or "none",
            "bundle": found.bundle[:12],
        },
    )


def _documents(listed: list[Listed]) -> Table:
    shown = [
        (each.doc_id, each.content_hash[:12], each.source_sha256[:12], each.licence, each.title) for each in listed[:SHOWN]
    ]
    left = f"{len(listed) - SHOWN} more; --json has all" if len(listed) > SHOWN else ""
    return Table("Documents", ("document", "content", "source bytes", "licence", "title"), shown, left)


def _answer(found: ReleaseLineage) -> str:
    documents = sum(source.documents or 0 for source in found.sources)
    where = f"answers in {', '.join(found.live_in)}" if found.live_in else f"is {found.phase} in {found.stage} and not live"
    made = f"It was made in {len(found.steps)} steps from {documents} documents of {len(found.sources)} sources."
    lost = f" {len(found.gone)} of its versions cannot be shown as recorded." if found.gone else ""
    return f"Release {found.release} of {found.pipeline} ({found.candidate or 'candidate not recorded'}) {where}. {made}{lost}"


def _phases(found: ReleaseLineage) -> Table:
    rows = [(each["phase"], each["at"] or "not recorded", each["actor"], each["why"]) for each in found.phases]
    return Table("Phases", ("phase", "when", "by", "why"), rows)


def _steps(steps: list[Step]) -> Table:
    columns = ("step", "version", "holds", "code", "Dagster run", "CPU s", "GPU s", "tokens")
    return Table("Steps, each after what it was made from", columns, [_row(step) for step in steps])


def _row(step: Step) -> tuple[Value, ...]:
    holds: Value = ", ".join(f"{name} {_short(value)}" for name, value in step.holds.items())
    if step.gone:
        holds = Cell(step.gone, "bad")
    amounts = (step.cpu_seconds, step.gpu_seconds, step.tokens)
    return step.asset, step.digest[:12], holds, step.code, step.run[:8], *map(_amount, amounts)


def _totals(found: ReleaseLineage) -> Facts:
    unknown = len(found.steps) - found.steps_measured
    names = {"CPU seconds": "cpu_seconds", "GPU seconds": "gpu_seconds", "tokens": "tokens"}
    values: dict[str, Value] = {title: _amount(found.totals[name]) for title, name in names.items() if name in found.totals}
    if unknown:
        values["not recorded"] = f"{unknown} of {len(found.steps)} steps, made by an earlier version or gone"
    return Facts("Cost of all steps, each counted once when it was made", values)


def _costs(steps: list[Step]) -> list[Block]:
    """The steps that took most, drawn; nothing where hardly anything was measured."""
    measured = [(step.asset, step.cpu_seconds) for step in steps if step.cpu_seconds]
    most = sorted(measured, key=lambda pair: -pair[1])[:DRAWN]
    return [Bars("CPU seconds, the largest", [(name, took, None, None) for name, took in most], "s")] if len(most) > 1 else []


def _drawn(found: ReleaseLineage) -> list[Block]:
    """The metrics that are looked at first, with their intervals."""
    rows = [(metric, found.scores[metric]) for metric in HEADLINE if metric in found.scores]
    bars = [(metric, row["mean"], row["low"], row["high"]) for metric, row in rows if row["mean"] is not None]
    return [Bars("Scores with 95 % intervals", bars)] if bars else []


def _sources(sources: list[Source]) -> Table:
    rows = [
        (each.name, each.digest[:12], each.files, _size(each.bytes), each.documents, *_terms(each), each.snapshot[:12])
        for each in sources
    ]
    return Table("Sources", ("source", "version", "files", "bytes", "documents", "licence", "trust", "snapshot"), rows)


def _terms(source: Source) -> tuple[str, str]:
    return source.licence, source.trust


def _settings(found: ReleaseLineage) -> Iterator[tuple[str, dict[str, Value]]]:
    for name, words in found.settings.items():
        yield _titled(name), dict(_flat(words))


def _flat(words: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Value]]:
    """Nested settings as dotted names; what was not set is left out."""
    for name, value in words.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{before}{name}", _short(value)


def _titled(name: str) -> str:
    return name[:1].upper() + name[1:].replace("_", " ")


def scores(found: ReleaseLineage) -> Table:
    """Every metric with its interval, those that are looked at first at the top."""
    order = sorted(found.scores, key=lambda metric: (HEADLINE.index(metric) if metric in HEADLINE else len(HEADLINE), metric))
    rows = [(metric, *_measured(found.scores[metric])) for metric in order]
    return Table("Scores", ("metric", "mean", "95 % interval", "questions", "coverage"), rows)


def _measured(row: Mapping[str, Any]) -> tuple[Value, ...]:
    if row["mean"] is None:
        return "not measured", "", row["n"], row["coverage"]
    between = f"{row['low']:.3f} to {row['high']:.3f}" if row["low"] is not None else ""
    return f"{row['mean']:.3f}", between, row["n"], row["coverage"]


def _reasons(found: ReleaseLineage) -> Table:
    rows = [(_coloured(reason.partition(": ")[0]), reason.partition(": ")[2]) for reason in found.reasons]
    return Table(f"What the gate said: {found.verdict or 'see reasons'}", ("outcome", "requirement"), rows)


def _coloured(outcome: str) -> Cell:
    return Cell(outcome, "good" if outcome == "pass" else "bad")


def _packages(found: ReleaseLineage) -> Facts:
    few = {name: found.packages[name] for name in PACKAGES if name in found.packages}
    return Facts(f"Packages ({len(found.packages)} in all; --json has them)", few or {"packages": "not recorded"})


def _next(found: ReleaseLineage) -> list[tuple[str, str]]:
    name, number = found.pipeline, found.release
    said = [
        ("recompute every digest", f"llmops verify {name} {number}"),
        ("follow one document", f"llmops lineage {name} {number} --document DOCUMENT"),
    ]
    if found.replaces:
        said.append(("what changed with it", f"llmops diff {name} {found.replaces} {number}"))
    return said


def _short(value: Any) -> Value:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    text = str(value)
    return text[:12] if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text) else text


def _amount(value: float | None) -> Value:
    return "-" if value is None else int(value) if float(value).is_integer() else round(value, 1)


def _size(count: int | None) -> Value:
    if count is None:
        return "-"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
