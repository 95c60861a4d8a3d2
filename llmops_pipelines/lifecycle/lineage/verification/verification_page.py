"""A verification as a page: what differs first, then everything that was looked at."""

from llmops_pipelines.lifecycle.lineage.page import Block, Cell, Facts, Mark, Page, Table

from .checks import Check, Outcome, Verification

MARKS: dict[Outcome, Mark] = {"match": "good", "made again": "bad", "not vouched": "quiet", "differs": "bad"}
EXPLAINED = {
    "made again": "the same content, but not the record that was decided about: made again after a loss, or edited",
    "not vouched": "nothing recorded what it should be",
}


def page(found: Verification) -> Page:
    of = f"release {found.release} of {found.pipeline}" if found.release else found.pipeline
    bad = [check for check in found.checks if check.outcome in ("differs", "made again")]
    odd = [check for check in found.checks if check.outcome == "not vouched"]
    blocks: list[Block] = []
    if bad:
        blocks.append(Table("What differs", ("what", "where", "expected", "found"), [_row(check) for check in bad]))
    if odd:
        blocks.append(Table("What nobody vouches for", ("what", "found"), [(check.what, check.found) for check in odd]))
    blocks.append(Facts("Counts", {outcome: _count(outcome, number) for outcome, number in found.counts.items()}))
    rows = [(check.what, Cell(check.outcome, MARKS[check.outcome]), check.found) for check in found.checks]
    blocks.append(Table("Everything that was looked at, from the release downwards", ("what", "", "found"), rows))
    fixes = list(dict.fromkeys((f"if {check.what} differs", check.fix) for check in bad if check.fix))
    return Page(f"Verify {of}", _answer(found, of), blocks, "bad" if bad else "good", fixes[:5])


def _answer(found: Verification, of: str) -> str:
    if found.first is not None:
        more = found.counts["differs"] + found.counts["made again"] - 1
        return f"{of} does not match its records: first {found.first}" + (f"; and {more} more" if more else "")
    odd = f", {found.counts['not vouched']} not vouched" if found.counts["not vouched"] else ""
    if found.release is None:
        return f"{len(found.checks)} records, versions and stores, 0 damaged{odd}"
    return f"{of} is what was decided about: {found.counts['match']} of {len(found.checks)} checks match{odd}"


def _row(check: Check) -> tuple[str, str, str, Cell]:
    return check.what, check.place, check.expected, Cell(check.found, MARKS[check.outcome])


def _count(outcome: str, number: int) -> str:
    return f"{number} ({EXPLAINED[outcome]})" if outcome in EXPLAINED and number else str(number)
