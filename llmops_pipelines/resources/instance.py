"""Dagster's own home below ours: run history, events, schedules. PostgreSQL in production by its dagster.yaml."""

import os
from pathlib import Path

from .home import Home


def dagster_home(home: Home, project: Path) -> Path:
    """DAGSTER_HOME, prepared: what the environment says, else `dagster/` in our home with the project's local settings."""
    folder = Path(os.environ.get("DAGSTER_HOME") or home.folder / "dagster")
    folder.mkdir(parents=True, exist_ok=True)
    settings, local = folder / "dagster.yaml", project / "configs" / "dagster" / "local.yaml"
    if not settings.exists() and local.is_file():
        settings.write_text(local.read_text("utf-8"), "utf-8")
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder
