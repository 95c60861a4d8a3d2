"""What a person sees on an asset: numbers that plot, a preview, the schema, why things were dropped, parents, pictures."""

import base64
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import dagster as dg

from llmops_pipelines.lifecycle.lake import Version, digest

CELL = 90  # characters of a preview cell; metadata lives in Dagster's database and stays small
DROPPED = "dropped_"


def shown(
    version: Version,
    *,
    table: str | None = None,
    also: Iterable[str] = (),
    pictures: Iterable[str] = (),
    mlflow_run: str | None = None,
) -> dg.MaterializeResult:
    """The result of an asset: the version as its value, its digest as data version, everything worth seeing as metadata.

    `table` is the one whose rows, columns and preview are shown (default: the asset's own); `also` names more previews.
    """
    metadata = described(version, table=table, also=also, pictures=pictures, mlflow_run=mlflow_run)
    return dg.MaterializeResult(value=version, data_version=dg.DataVersion(version.digest), metadata=metadata)


def shown_by_partition(
    context: dg.AssetExecutionContext,
    versions: Mapping[str, Version],
    *,
    also: Iterable[str] = (),
    pictures: Iterable[str] = (),
    mlflow_runs: Mapping[str, str] = MappingProxyType({}),
) -> dg.MaterializeResult:
    """The result of a partitioned asset; each partition shows its own version.

    Dagster knows one data version per run of such an asset: of several partitions it is the digest of theirs.
    """
    for name, version in versions.items():
        seen = described(version, also=also, pictures=pictures, mlflow_run=mlflow_runs.get(name))
        context.add_asset_metadata(seen, partition_key=name)
    digests = {name: version.digest for name, version in versions.items()}
    joint = next(iter(digests.values())) if len(digests) == 1 else digest(digests)
    return dg.MaterializeResult(value=dict(versions), data_version=dg.DataVersion(joint))


def described(
    version: Version,
    *,
    table: str | None = None,
    also: Iterable[str] = (),
    pictures: Iterable[str] = (),
    mlflow_run: str | None = None,
) -> dict[str, Any]:
    """Everything worth seeing of a version as metadata."""
    return {
        "work": "unchanged: this version existed already" if version.reused else "done",
        **_pictures(version, pictures),
        **_facts(version),
        **_table(version, table),
        **_previews(version, also),
        **_lineage(version, mlflow_run),
    }


def _pictures(version: Version, names: Iterable[str]) -> dict[str, Any]:
    drawn = [name for name in names if version.has(name)]
    return {name.removesuffix(".png"): dg.MetadataValue.md(embedded(version, name)) for name in drawn}


def _facts(version: Version) -> dict[str, Any]:
    """Numbers as they are, so that the UI plots them over time; lists as lines; drops as one table."""
    entries: dict[str, Any] = {}
    dropped = []
    for name, fact in version.facts.items():
        if name.startswith(DROPPED):
            dropped.append({"reason": name.removeprefix(DROPPED).replace("_", " "), "count": fact})
        elif isinstance(fact, list):
            entries[name] = dg.MetadataValue.md("\n".join(f"- {item}" for item in fact))
        elif fact not in (None, ""):
            entries[name] = fact
    return ({"dropped_by_reason": dg.MetadataValue.md(markdown_table(dropped))} if dropped else {}) | entries


def _table(version: Version, name: str | None) -> dict[str, Any]:
    if (seen := version.outline(name)) is None:
        return {}
    columns = [dg.TableColumn(column, kind) for column, kind in seen.columns.items()]
    return {
        "dagster/row_count": seen.rows,
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "preview": dg.MetadataValue.md(markdown_table(seen.head)),
    }


def _previews(version: Version, names: Iterable[str]) -> dict[str, Any]:
    found = {name: version.outline(name) for name in names}
    return {name: dg.MetadataValue.md(markdown_table(seen.head)) for name, seen in found.items() if seen}


def _lineage(version: Version, mlflow_run: str | None) -> dict[str, Any]:
    parents = [{"parent": asset, "digest": f"`{digest[:16]}`"} for asset, digest in version.parents.items()]
    return {
        **({"parents": dg.MetadataValue.md(markdown_table(parents))} if parents else {}),
        **({"mlflow_run": dg.MetadataValue.url(mlflow_run)} if mlflow_run else {}),
        "dagster/uri": dg.MetadataValue.path(str(version.path)),
    }


def embedded(version: Version, picture: str) -> str:
    """A PNG file of the version as markdown that needs no server."""
    data = base64.b64encode(version.file(picture).read_bytes()).decode("ascii")
    return f"![{picture.removesuffix('.png')}](data:image/png;base64,{data})"


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table; long cells are cut, and what Markdown or HTML would read as mark-up is neutralised."""
    if not rows:
        return "(empty)"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split())
    text = text if len(text) <= CELL else text[: CELL - 1] + "…"
    return text.replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


def check_result(outcome: tuple[bool, Mapping[str, Any]], *, warn: bool = False) -> dg.AssetCheckResult:
    """An asset check from a pair (does it hold, numbers and reasons)."""
    passed, details = outcome
    severity = dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        passed=bool(passed), severity=severity, metadata={name: _plain(value) for name, value in details.items()}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return dg.MetadataValue.md("\n".join(f"- {item}" for item in value) or "(none)")
    return dict(value) if isinstance(value, Mapping) else value
