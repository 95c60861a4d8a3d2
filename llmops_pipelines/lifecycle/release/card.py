"""The model card of a release (Mitchell et al. 2019, arXiv 1810.03993) as Markdown, from its record alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .history import Release

SPENT = {
    "milliseconds_p50": "median time (ms)",
    "milliseconds_p95": "time of the slowest 5 % (ms, at least)",
    "tokens_per_question": "tokens per question",
    "cost_per_question": "cost per question",
    "megabytes": "size of the weights (MB)",
}
ENOUGH = 5  # questions of a part that is worth naming
TRAINING = ("method", "kind", "examples", "steps", "epochs", "loss_first", "loss_last", "engine")


def model_card(release: Release) -> str:
    """The card. Sections for which the record holds nothing are left out."""
    sections = (_what, _use, _data, _model, _scores, _slices, _spent, _verdict, _made_with)
    return "\n\n".join(block for section in sections for block in section(release)) + "\n"


def _what(release: Release) -> Iterator[str]:
    yield f"# {release.pipeline}, release {release.epoch}"
    yield release.terms.get("purpose") or "No purpose is recorded."
    yield _table(
        ("", ""),
        [
            ("bundle", f"`{release.bundle[:16]}`"),
            ("stage", release.stage),
            ("prepared", release.prepared_at or "not recorded"),
            ("by", release.actor or "not recorded"),
            ("why", release.why or "not recorded"),
            *([("bundle of release", release.moves)] if release.moves else []),
        ],
    )


def _use(release: Release) -> Iterator[str]:
    spec = release.candidate.get("spec", {})
    yield "## Intended use and limits"
    told = [f"Meant for: {release.terms['use']} use."] if release.terms.get("use") else []
    if spec.get("refusal"):
        told.append(f"It answers from the documents below and says {spec['refusal']!r} when they hold no answer.")
    told.append("It knows nothing that its documents do not say, and may misread them: answers name the documents to check.")
    told += _weakest(release)
    told += [f"{rule['requirement']}: {rule['measured']}." for rule in _findings(release) if rule["outcome"] != "pass"]
    yield "\n".join(f"- {line}" for line in told)


def _data(release: Release) -> Iterator[str]:
    if rows := release.terms.get("documents"):
        yield "## Data"
        columns = ("source", "licence", "consent", "trust", "documents")
        yield _table(columns, [[row[column] for column in columns] for row in rows])


def _model(release: Release) -> Iterator[str]:
    spec, base = release.candidate.get("spec", {}), release.terms.get("base_model")
    if not spec:
        return
    yield "## Model"
    rows = [("candidate", spec["name"]), ("model", spec["model"]), ("steps", ", ".join(spec["steps"]))]
    rows += [("passages read", spec["passages"]), ("compression", spec["compression"])]
    if base:
        rows += [("base model", base["name"]), ("its licence", base["licence"]), ("its revision", base["revision"])]
        rows += [("its weights (sha256)", base["sha256"]), ("its parameters", base["parameters"])]
    yield _table(("", ""), [row for row in rows if row[1] not in ("", 0, None)])
    training = release.evidence.get("training", {})
    if known := [(name.replace("_", " "), _number(training[name])) for name in TRAINING if name in training]:
        yield "### Training"
        yield _table(("", ""), known)
    if spec.get("prompt"):
        yield "### Prompt"
        yield _quoted(spec["prompt"]["template"])


def _scores(release: Release) -> Iterator[str]:
    if summary := release.evidence.get("summary"):
        yield "## Scores"
        asked = release.evidence.get("questions") or "an unknown number of"
        judge = f" Judge: {release.judge}." if release.judge else ""
        yield f"On {asked} questions that it was not trained on, with 95 % intervals.{judge}"
        yield _table(("metric", "mean", "interval", "coverage"), [(name, *_interval(row)) for name, row in summary.items()])


def _slices(release: Release) -> Iterator[str]:
    if rows := release.evidence.get("slices"):
        yield "### By part"
        header = ("part", "metric", "questions", "mean", "interval", "coverage")
        yield _table(header, [(f"{r['slice']}: {r['value']}", r["metric"], r["n"], *_interval(r)) for r in rows])


def _spent(release: Release) -> Iterator[str]:
    spent = release.evidence.get("spent", {})
    if known := [(label, _number(spent[name])) for name, label in SPENT.items() if spent.get(name) is not None]:
        yield "## What an answer takes"
        yield _table(("", ""), known)


def _verdict(release: Release) -> Iterator[str]:
    yield f"## Gate: {release.evidence.get('verdict', 'not recorded')}"
    yield "\n".join(f"- {reason}" for reason in release.reasons) or "No reasons are recorded."


def _made_with(release: Release) -> Iterator[str]:
    if release.code:
        yield "## Made with"
        yield f"llmops-pipelines {release.code} and {len(release.packages)} packages; the bill of materials names them."
    yield _table(("part", "digest"), [(role, f"`{part['digest'][:16]}`") for role, part in sorted(release.parts.items())])


def _weakest(release: Release) -> Iterator[str]:
    """The part of the questions that it answers worst, by the first metric that was taken apart."""
    parts = [row for row in release.evidence.get("slices", ()) if row["mean"] is not None and row["n"] >= ENOUGH]
    if parts:
        row = min((row for row in parts if row["metric"] == parts[0]["metric"]), key=lambda row: row["mean"])
        yield f"It does worst on {row['slice']} {row['value']}: {row['metric']} {row['mean']:.3f} over {row['n']} questions."


def _findings(release: Release) -> Sequence[Mapping[str, Any]]:
    return release.evidence.get("findings", ())


def _interval(row: Mapping[str, Any]) -> tuple[str, str, str]:
    interval = f"{row['low']:.3f} to {row['high']:.3f}" if row.get("low") is not None else "none"
    return _number(row["mean"]), interval, f"{row['coverage']:.0%}"


def _number(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    lines = [list(header), ["---"] * len(list(header)), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
