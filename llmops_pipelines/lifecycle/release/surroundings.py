"""What a release was made with: this package's code, and the packages that it needs, as they are installed."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from llmops_pipelines.lifecycle.lake import digest
from llmops_pipelines.lifecycle.lake.digests import file_digest

PACKAGE = "llmops-pipelines"


@lru_cache(maxsize=1)
def code_version() -> str:
    """The package's version and the digest of its source files: a version number alone does not tell two commits apart."""
    folder = Path(__file__).parents[2]
    sources = {path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(folder.rglob("*.py"))}
    return f"{version(PACKAGE)}+{digest(sources)[:12]}"


@lru_cache(maxsize=1)
def packages() -> dict[str, str]:
    """Name -> version of every installed package that this one needs, directly or not, without its optional extras."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(PACKAGE, frozenset())]
    while waiting:
        name, extras = each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        try:
            known = distribution(name)
        except PackageNotFoundError:  # asked for by a marker's branch that this platform does not take
            continue
        found[known.metadata["Name"]] = known.version
        for requirement in map(Requirement, known.requires or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                waiting.append((requirement.name.lower(), frozenset(requirement.extras)))
    found.pop(PACKAGE, None)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))
