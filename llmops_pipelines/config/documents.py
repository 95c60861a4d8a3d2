"""The words about documents: where they come from (`Source`), and what is done to them before they are used (`Cleaning`)."""

from typing import Literal

from pydantic import Field, model_validator

from .words import EnvironmentVariable, ExistingPath, ExistingPathOrUrl, Group, Positive, Share, Words


class Columns(Words):
    """Which column of a table holds what; each row becomes one document."""

    id: str = Field(description="Column with a value that names the row for ever")
    text: str = Field(description="Column with the text")
    title: str | None = Field(None, description="Column with a title")


class Git(Words):
    """A repository at one of its states; only committed files are read."""

    repository: str = Field(min_length=1, description="Folder or address of the repository")
    ref: str = Field("HEAD", min_length=1, description="Branch, tag or commit")


class Sql(Words):
    """A query whose rows are documents; `columns` says which column holds what."""

    connection: EnvironmentVariable = Field(description="Environment variable with the database address (postgresql://...)")
    query: str = Field(min_length=1, description="SELECT that returns the columns; each row is one document")


class Web(Words):
    """Pages of named hosts. Addresses inside private networks are never asked, whatever a name resolves to."""

    allow: list[str] = Field(min_length=1, description="Host names that may be asked; redirects to other hosts are refused")
    urls: list[str] = Field([], description="Pages to read")
    sitemaps: list[str] = Field([], description="Sitemaps that list pages to read")
    pages: Positive = Field(1_000, description="Most pages of this source; more stop the run")
    seconds: Positive = Field(20, description="Longest wait for one page")
    megabytes: Positive = Field(20, description="Largest page")

    @model_validator(mode="after")
    def _something_to_read(self):
        if not self.urls and not self.sitemaps:
            raise ValueError("urls or sitemaps to read")
        return self


class Source(Words):
    """A place that documents come from: exactly one of path, git, sql, web. What is said of it here travels with its texts."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Short name; first part of each document id")
    path: ExistingPathOrUrl | None = Field(
        None,
        description="Folder, file or Delta table, below the project folder or absolute, or an address such as s3://bucket/docs",
    )
    git: Git | None = Field(None, description="A git repository")
    sql: Sql | None = Field(None, description="Rows of a database")
    web: Web | None = Field(None, description="Pages of named hosts")
    include: list[str] = Field(
        ["**/*"],
        min_length=1,
        description="File patterns to take, such as '**/*.md'; hidden names need a pattern with a dot, such as '.github/**'",
    )
    exclude: list[str] = Field([], description="File patterns to leave out")
    columns: Columns | None = Field(None, description="For tables: one document per row. Without it a table is one document")
    licence: str = Field(description="Licence of the texts (an SPDX name, or your own words)")
    access: list[Group] = Field([], description="Groups that may see these texts in any answer; empty: everybody")
    consent: Literal["search", "search_and_training"] = Field(
        "search_and_training", description="What the owners of the texts agreed to; search alone keeps them out of training"
    )
    trust: Literal["trusted", "untrusted"] = Field(
        "trusted", description="Untrusted texts are searched and shown as such, and never trained on"
    )
    language: str | None = Field(None, description="Language of all texts here ('en'); found by itself when left out")
    paused: bool = Field(False, description="Do not look for changes; what was read last stays in use")

    @model_validator(mode="after")
    def _one_place(self):
        named = [name for name in ("path", "git", "sql", "web") if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"exactly one of path, git, sql, web; got {' and '.join(named) or 'none'}")
        if self.sql and not self.columns:
            raise ValueError("columns beside sql: which column is the id, which the text")
        return self


class NearDuplicates(Words):
    """Documents that are almost the same text: the first by id is kept."""

    similarity: Share = Field(0.8, description="Share of common three-word sequences from which two texts count as the same")


class Quality(Words):
    """Texts that nobody would read are skipped, each with its reason."""

    letters: Share = Field(0.3, description="Least share of letters among the characters that are not white space")
    repeated_lines: Share = Field(0.5, description="Most share of the text in lines that stood before in it")
    repeated_words: Share = Field(
        0.3, description="Most share of the text in repetitions of its most frequent four-word sequence"
    )


PersonalData = Literal["email", "phone", "iban", "card", "ip", "national_id", "name"]
Treatment = Literal["redact", "mask", "drop"]


class Cleaning(Words):
    """What is done to texts before they are used."""

    languages: list[str] = Field(["en"], min_length=1, description="Languages to keep; other documents are skipped")
    minimum_characters: Positive = Field(200, description="Shorter documents are skipped")
    boilerplate: bool = Field(True, description="Remove menus, cookie notices and share buttons from texts")
    quality: Quality = Quality()
    near_duplicates: NearDuplicates = NearDuplicates()
    personal_data: dict[PersonalData, Treatment] = Field(
        {"email": "redact", "phone": "redact", "iban": "redact", "card": "redact", "ip": "redact", "national_id": "redact"},
        description="Per kind: redact puts a placeholder there, mask keeps a few characters, drop skips the document",
    )
    names_model: ExistingPath | None = Field(
        None, description="Folder of a token classification model (transformers) that finds names of people"
    )
    stop_when_deleted_above: Share = Field(0.2, description="Stop when more than this share of a source disappears at once")
    allow_deletions_in: str | None = Field(
        None, description="The exact snapshot id (named by the error) for which a mass deletion is wanted"
    )
    stop_when_quarantined_above: Share = Field(0.5, description="Stop when more than this share of a source cannot be read")

    @model_validator(mode="after")
    def _names_need_a_model(self):
        if ("name" in self.personal_data) != (self.names_model is not None):
            raise ValueError("personal_data: name and names_model together, or neither; names are found by a model")
        return self
