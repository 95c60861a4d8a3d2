"""How tests look at a place: settings of a source, and one look at it."""

from pathlib import Path

from llmops_pipelines.config.documents import Source
from llmops_pipelines.lifecycle.corpus.sources import Known, Listing, look


def source(project: Path, **words) -> Source:
    """Settings of a source, checked against `project` as the loader does it."""
    return Source.model_validate({"name": "handbook", "licence": "CC0-1.0", **words}, context={"project": project})


class Looking:
    """Looks at one source again and again, as `discover` does: with the stamps and the state of the look before."""

    def __init__(self, project: Path, **secrets: str) -> None:
        self.project, self.secrets = project, secrets
        self.last: dict[str, Known] = {}
        self.state: dict = {}

    def look(self, said: Source) -> Listing:
        listing = look(
            said,
            self.project,
            secrets=self.secrets.get,
            cache=self.project / "cache",
            known=self.last.get,
            before=self.state,
        )
        self.remember(listing)
        return listing

    def remember(self, listing: Listing) -> None:
        self.last = {found.uri: Known(found.stamp, "kept") for found in listing.files if found.settled}
        self.state = listing.state


def uris(listing: Listing) -> list[str]:
    return [found.uri for found in listing.files]


def stamps(listing: Listing) -> dict[str, str]:
    return {found.uri: found.stamp for found in listing.files}
