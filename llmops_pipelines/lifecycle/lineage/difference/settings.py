"""What was set differently: dotted paths from old to new, texts of prompts, packages, code, base model and terms."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llmops_pipelines.lifecycle.lake.digests import canonical_json

from .edits import Line, edit
from .sides import Side

PROMPTS = ("prompt", "rewrite", "verify")
FILES = {  # part -> (JSON file in it that spells its settings out, what they are called)
    "chunks": ("chunker", "chunker"),
    "embeddings": ("embedder", "embedder"),
    "retrieval_settings": ("retrieval_settings", "retriever"),
    "base_model": ("base_model", "base_model"),
    "checkpoint": ("checkpoint", "checkpoint"),
    "compressed": ("compressed", "compressed"),
    "eval_scores": ("judge", "judge"),
}
CONTENT = {  # words of a step's config that are what it reads, not how it works -> what to say when they differ
    "raw_documents": {"rows": "other files"},
    "eval_questions": {"rows": "another question file"},
    "base_model": {"files": "other files"},
}
FOLLOWS = {  # the same where another step brought it: that one is named
    "training_examples": {"rows": "another question file"},
    "preference_pairs": {"rows": "another question file"},
    "retrieval_settings": {"questions": "other questions to tune on"},
}
LENGTH = 200  # letters of a value
ENTRIES = 12  # of two lists together, beyond which only their difference is told
DIGEST = re.compile(r"[0-9a-f]{64}")
TELLING = ("sha256", "weights_sha256", "base_weights_sha256")  # digests that say which model it is


@dataclass(frozen=True)
class Change:
    """A setting that differs. `where` is the step or the part of the bundle, None a value that a side does not have."""

    where: str
    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Rewritten:
    """A text that differs, such as a prompt, line by line."""

    name: str
    lines: tuple[Line, ...]


def all_changes(before: Side, after: Side) -> tuple[Change, ...]:
    """Every setting that differs. What several steps repeat is said once for each; what a step reads, and digests of files and
    of other steps, are no settings: `steps` tells of those."""
    found = [*changes("settings", before.record.settings, after.record.settings)]
    found += changes("candidate", _without_prompts(before.spec), _without_prompts(after.spec))
    for part, (file, name) in FILES.items():
        found += changes(name, before.said(part, file), after.said(part, file))
    for name in sorted({*before.sources(), *after.sources()}):
        found += changes(name.replace("raw_documents/", "source "), before.said(name, "source"), after.said(name, "source"))
    for name in sorted(before.versions.keys() & after.versions.keys()):
        old, new = before.versions[name], after.versions[name]
        if old.digest != new.digest and old.config is not None and new.config is not None:
            found += [each for each in changes(name, old.config, new.config) if not is_content(new.noun, each.path)]
    return tuple(each for each in found if not _is_digest(each))


def is_content(noun: str, path: str) -> bool:
    """Whether a word of a step's config is what the step reads, not how it works."""
    word = path.split(".")[0]
    return word in CONTENT.get(noun, ()) or word in FOLLOWS.get(noun, ())


def _is_digest(change: Change) -> bool:
    value = change.after or change.before
    return isinstance(value, str) and bool(DIGEST.fullmatch(value)) and change.path.split(".")[-1] not in TELLING


def changes(where: str, old: Any, new: Any) -> Iterator[Change]:
    """The leaves in which two JSON values differ."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) != after.get(path):
            yield Change(where, path, *_told(before.get(path), after.get(path)))


def rewritten(before: Side, after: Side) -> tuple[Rewritten, ...]:
    """The prompts whose words differ; one that a side does not have counts as empty."""
    found = []
    for name in PROMPTS:
        old, new = _text(before.spec.get(name)), _text(after.spec.get(name))
        if old != new:
            found.append(Rewritten(name, edit(old, new, around=2)))
    return tuple(found)


def packages(before: Side, after: Side) -> tuple[Change, ...]:
    """Packages of another version, and with them the code of this one. Nothing for a candidate: they are not recorded."""
    if not before.record.packages or not after.record.packages:
        return ()
    code = changes("code", {"version": before.record.code}, {"version": after.record.code})
    return *code, *changes("package", before.record.packages, after.record.packages)


def terms(before: Side, after: Side) -> tuple[Change, ...]:
    """Licences and the like: what the releases say of their base model and of each source."""
    if not before.record.terms or not after.record.terms:
        return ()
    return tuple(changes("terms", _terms(before.record.terms), _terms(after.record.terms)))


def _terms(said: Mapping[str, Any]) -> dict[str, Any]:
    """Per source, how many documents stand under which terms."""
    found: dict[str, Any] = {"base_model": said.get("base_model"), "purpose": said.get("purpose")}
    for row in said.get("documents", ()):
        under = f"{row['licence']}, {row['consent']}, {row['trust']}"
        found.setdefault(f"source {row['source']}", {})[under] = row["documents"]
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A list is one leaf. What is empty counts as not there."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else str(name))
    elif value not in (None, {}, []):
        yield path, value


def _told(old: Any, new: Any) -> tuple[Any, Any]:
    """Both as they can be read: of two long lists only what the other does not have."""
    if isinstance(old, list) and isinstance(new, list) and len(old) + len(new) > ENTRIES:
        texts = [[each if isinstance(each, str) else canonical_json(each) for each in entries] for entries in (old, new)]
        return _only(old, texts[0], {*texts[1]}), _only(new, texts[1], {*texts[0]})
    return _short(old), _short(new)


def _only(entries: list, texts: list[str], others: set[str]) -> str:
    named = [_short(_name(each)) for each, text in zip(entries, texts, strict=True) if text not in others]
    return _short(f"{len(entries)} entries" + (f", only here: {', '.join(map(str, named))}" if named else ""))


def _name(entry: Any) -> Any:
    return entry.get("id", entry.get("name", entry)) if isinstance(entry, Mapping) else entry


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}\N{HORIZONTAL ELLIPSIS}"


def _without_prompts(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in PROMPTS}


def _text(prompt: Mapping[str, Any] | None) -> str:
    """A prompt as people read it: its template, and each of its other words on lines of their own."""
    if not prompt:
        return ""
    others = [f"{name}: {value}" for name, value in prompt.items() if name != "template" and value not in ("", [], None)]
    return "\n".join([prompt.get("template", ""), *others])
