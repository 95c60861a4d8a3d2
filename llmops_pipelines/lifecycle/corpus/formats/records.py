"""JSON files and notebooks. Objects without named columns become readable Markdown: a key is a heading or a name of a line."""

from collections.abc import Iterator
from typing import Any

from ..children.pool import Refused
from .pieces import Piece, Room
from .tables import cell_text, from_rows, markdown_table, read_json

NAMES = ("title", "name", "headline", "subject")
LONG = 200  # characters; a longer text is a section of its own
DEEPEST = 12  # deeper values stay JSON


def json_file(content: str, columns: dict[str, Any] | None, room: Room) -> Iterator[Piece]:
    """An object or an array. With columns one document per object of the array, or of the only array in the object."""
    content = content.lstrip("\ufeff")
    try:
        value = read_json(content)
    except RecursionError as error:
        raise Refused("nested too deeply") from error
    if columns is None:
        title = _name(value)
        yield Piece(title, "\n\n".join(filter(None, _blocks(value, 1 if title else 2))))
        return
    rows = _array(value)
    yield from from_rows([(n, row if isinstance(row, dict) else None) for n, row in enumerate(rows, 1)], columns, "item")


def _array(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise Refused("neither an object nor an array")
    arrays = [each for each in value.values() if isinstance(each, list) and any(isinstance(item, dict) for item in each)]
    return arrays[0] if len(arrays) == 1 else [value]


def _name(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return next((str(value[name]).strip() for name in NAMES if isinstance(value.get(name), str)), "")


def _blocks(value: Any, level: int) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _object(value, level)
    elif isinstance(value, list):
        yield from _list(value, level)
    else:
        yield cell_text(value)


def _object(value: dict[str, Any], level: int) -> Iterator[str]:
    """Short values first, line by line, so that no heading stands between an object and its own values."""
    if level > DEEPEST:
        yield cell_text(value)
        return
    if title := _name(value):
        yield f"{_marks(level)} {title}"
    below = level + bool(title)
    short = {key: each for key, each in value.items() if _is_short(each)}
    yield "\n".join(f"- {key}: {cell_text(each)}" for key, each in short.items() if each not in (None, "") and each != title)
    for key, each in value.items():
        if key not in short and each:
            yield f"{_marks(below)} {key}"
            yield from _blocks(each, below + 1)


def _list(values: list[Any], level: int) -> Iterator[str]:
    if all(map(_is_short, values)):
        yield "\n".join(f"- {cell_text(each)}" for each in values)
        return
    if all(isinstance(each, dict) and each and all(map(_is_short, each.values())) for each in values):
        names = list(dict.fromkeys(name for each in values for name in each))
        if sum(map(len, values)) >= 0.5 * len(names) * len(values):
            yield markdown_table(names, ([each.get(name) for name in names] for each in values))
            return
    for number, each in enumerate(values, 1):
        if isinstance(each, dict | list) and not _name(each):
            yield f"{_marks(level)} {number}"
        yield from _blocks(each, level)


def _is_short(value: Any) -> bool:
    return not isinstance(value, dict | list) and (not isinstance(value, str) or (len(value) <= LONG and "\n" not in value))


def _marks(level: int) -> str:
    return "#" * min(level, 6)


def notebook(content: str) -> Piece:
    """Jupyter: Markdown cells as they are, code cells fenced with their plain text output."""
    from .plain import markdown

    value = read_json(content.lstrip("\ufeff"))
    cells = value.get("cells") if isinstance(value, dict) else None
    if not isinstance(cells, list):
        raise Refused("no notebook with cells")
    blocks = []
    for cell in cells:
        text = _joined(cell.get("source"))
        if not text.strip():
            continue
        if cell.get("cell_type") != "code":
            blocks.append(text)
            continue
        outputs = [_joined(each.get("text") or each.get("data", {}).get("text/plain")) for each in cell.get("outputs") or ()]
        blocks += [_fenced(each) for each in (text, *outputs) if each.strip()]
    return markdown("\n\n".join(blocks))


def _fenced(text: str) -> str:
    fence = "```" if "```" not in text else "~~~~~~"
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else text if isinstance(text, str) else ""
