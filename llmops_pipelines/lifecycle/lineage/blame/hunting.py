"""Group testing: the smallest set of changes whose reversal restores what went wrong, for many complaints at a time.

One trial answers for every complaint whose suspects it treats as that complaint asked for. Within a complaint the search is
delta debugging (Zeller and Hildebrandt 2002): halves, then complements, then finer parts. Nothing is known here of documents.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Reversed = frozenset[str]
Trial = Callable[[Reversed], Collection[str]]
"""Takes the changes to reverse; returns the complaints that are gone when these, and no others, are reversed."""
Search = Generator[Reversed, bool, Reversed]


def smallest(suspects: Sequence[str]) -> Search:
    """Yields sets to reverse, is told whether that restores, returns a set of which no part can be left out.

    All suspects together must restore.
    """
    items, parts = list(suspects), 2
    while len(items) > 1:
        blocks = list(_blocks(items, min(parts, len(items))))
        found: list[str] | None = None
        for block in blocks:
            if (yield frozenset(block)):
                found, parts = block, 2
                break
        if found is None and len(blocks) > 2:  # of two blocks each is the other's complement
            for block in blocks:
                rest = [item for item in items if item not in block]
                if (yield frozenset(rest)):
                    found, parts = rest, max(parts - 1, 2)
                    break
        if found is not None:
            items = found
        elif parts >= len(items):
            break
        else:
            parts *= 2
    return frozenset(items)


def _blocks(items: list[str], count: int) -> Iterator[list[str]]:
    size, more = divmod(len(items), count)
    at = 0
    for number in range(count):
        end = at + size + (number < more)
        yield items[at:end]
        at = end


@dataclass
class Case:
    """One complaint: what is suspected, what is asked next, and the answer once there is one. `whole` says whether the
    search came to its end; without that `found` restores, but may hold more than is needed."""

    suspects: frozenset[str]
    found: Reversed | None = None
    whole: bool = False
    asks: Reversed | None = None
    search: Search | None = field(default=None, repr=False)

    def tell(self, restored: bool) -> None:
        """Take the outcome of what was asked."""
        if self.search is None:  # the first question: do all suspects together restore?
            self.asks = None
            if restored:
                self.found, self.search = self.suspects, smallest(sorted(self.suspects))
                self._go(None)
            return
        if restored and self.asks is not None:
            self.found = self.asks
        self._go(restored)

    def _go(self, restored: bool | None) -> None:
        try:
            self.asks = next(self.search) if restored is None else self.search.send(restored)
        except StopIteration as end:
            self.found, self.whole, self.asks = end.value, True, None


def hunt(suspects: Mapping[str, Collection[str]], trial: Trial, budget: int) -> dict[str, Case]:
    """Complaint -> its case, after at most `budget` trials. A complaint that all its suspects do not explain has none found."""
    cases = {name: Case(frozenset(each)) for name, each in suspects.items()}
    for case in cases.values():
        case.asks = case.suspects or None
    for _ in range(budget):
        together = _compatible({name: case for name, case in cases.items() if case.asks is not None})
        if not together:
            break
        gone = trial(frozenset().union(*(case.asks for case in together.values())))
        for name, case in together.items():
            case.tell(name in gone)
    return cases


def _compatible(open_cases: Mapping[str, Case]) -> dict[str, Case]:
    """As many cases as one trial can serve, each seeing just what it asked for; the largest requests first."""
    chosen: dict[str, Case] = {}
    union: frozenset[str] = frozenset()
    for name, case in sorted(open_cases.items(), key=lambda pair: (-len(pair[1].asks), pair[0])):
        wider = union | case.asks
        if all(wider & each.suspects == each.asks for each in (*chosen.values(), case)):
            chosen[name], union = case, wider
    return chosen
