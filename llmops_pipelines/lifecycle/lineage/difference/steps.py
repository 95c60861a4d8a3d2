"""Which steps of the two bundles differ, and why: another code, other settings, or only what they were made from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmops_pipelines.lifecycle.lake import Version

from .settings import CONTENT, FOLLOWS, changes, is_content
from .sides import Side

FEW = 4  # settings named in a sentence
# Evidence, not the bundle.
ASIDE = ("answers", "eval_scores", "base_eval_scores", "comparison", "corpus_profile", "drift_report")


@dataclass(frozen=True)
class Step:
    """A part or what a part was made from. Digests are empty where a side has none. `own` is whether something differs in
    the step itself, not only in what it was made from. `aside` is what tells of a bundle and does not answer."""

    name: str
    asset: str
    before: str
    after: str
    same: bool
    own: bool
    aside: bool
    why: tuple[str, ...]


def steps(before: Side, after: Side) -> tuple[Step, ...]:
    """Every step of either side; parents first."""
    order = {node.role or node.asset: place for place, node in enumerate((*before.graph.nodes, *after.graph.nodes))}
    names = sorted({*_digests(before), *_digests(after)}, key=lambda name: order.get(name, order.get(name.split(" ")[0], 0)))
    return tuple(_step(name, before, after) for name in names)


def _digests(side: Side) -> dict[str, str]:
    kept = {name: version.digest for name, version in side.versions.items()}
    return {node.role: node.digest for node in side.graph.nodes if node.role} | kept


def shown(name: str) -> str:
    """A step as people call it."""
    return name.replace("raw_documents/", "source ").replace("_", " ")


def _step(name: str, before: Side, after: Side) -> Step:
    first, second = _digests(before).get(name, ""), _digests(after).get(name, "")
    old, new = before.versions.get(name), after.versions.get(name)
    asset = next((each.asset for each in (new, old) if each), name)
    own, why = _reasons(before, after, old, new) if first != second else (False, ())
    return Step(name, asset, first, second, first == second, own, name.split("/")[0] in ASIDE, why)


def _reasons(before: Side, after: Side, old: Version | None, new: Version | None) -> tuple[bool, tuple[str, ...]]:
    """(whether the step itself differs, why it is another)."""
    if old is None or new is None:
        side = before if old is None else after
        return True, (f"{side.name} has none, or it is gone from the lake",)
    own, content = tuple(_own(old, new)), tuple(_content(old, new, CONTENT))
    follows = (*_content(old, new, FOLLOWS), *_parents(old, new))
    found = own + content + follows
    return bool(own or content or not follows), found or ("the same code, settings and inputs gave another result",)


def _own(old: Version, new: Version) -> Iterator[str]:
    if old.asset != new.asset:
        yield f"{new.asset} instead of {old.asset}"
    if old.manifest.get("code") != new.manifest.get("code"):
        yield f"code {old.manifest.get('code')} \N{RIGHTWARDS ARROW} {new.manifest.get('code')}"
    if old.config is None or new.config is None:
        yield "its settings were not recorded by the earlier version that made it"
        return
    paths = [change.path for change in changes(new.noun, old.config, new.config)]
    paths = [path or "all" for path in paths if not is_content(new.noun, path)]
    if paths:
        more = f" and {len(paths) - FEW} more" if len(paths) > FEW else ""
        yield f"settings: {', '.join(paths[:FEW])}{more}"


def _content(old: Version, new: Version, kinds: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    first, second = (each.config if isinstance(each.config, Mapping) else {} for each in (old, new))
    for word, sentence in kinds.get(new.noun, {}).items():
        if first.get(word) != second.get(word):
            yield sentence


def _parents(old: Version, new: Version) -> Iterator[str]:
    moved = sorted(name for name in old.parents.keys() & new.parents.keys() if old.parents[name] != new.parents[name])
    if moved:
        yield f"made from another {', '.join(moved)}"
    if gained := sorted(new.parents.keys() - old.parents.keys()):
        yield f"now also made from {', '.join(gained)}"
    if lost := sorted(old.parents.keys() - new.parents.keys()):
        yield f"no longer made from {', '.join(lost)}"
