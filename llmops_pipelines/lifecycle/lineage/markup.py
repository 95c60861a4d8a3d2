"""HTML elements whose text is always escaped: nothing that stands in a document can become markup or act on its reader."""

from html import escape

from .wording import harmless

EMPTY = {"meta", "br", "line", "rect", "path", "polyline"}


class Markup(str):
    """Text that is markup already; only `element`, `joined` and `raw` make it. What is made from it by `+` is plain text."""

    __slots__ = ()


def raw(text: str) -> Markup:
    """Markup written by this package itself, never by a document."""
    return Markup(text)


def element(name: str, /, *children: "str | None", **attributes: "str | float | bool | None") -> Markup:
    """One element. Children that are plain text are escaped, None is left out. `class_` is class, and `_` in names is `-`;
    an attribute that is True stands alone, one that is None, False or empty is left out."""
    said = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False and value != ""
    )
    opened = f"<{name}{said}>"
    if name in EMPTY:
        return Markup(opened if name in ("meta", "br") else f"<{name}{said}/>")
    return Markup(f"{opened}{joined(*children)}</{name}>")


def joined(*children: "str | None") -> Markup:
    """Children one after another, without an element around them."""
    return Markup("".join(_safe(each) for each in children if each is not None))


def _safe(child: str) -> str:
    return child if isinstance(child, Markup) else escape(harmless(child))


def _attribute(name: str, value: "str | float | bool") -> str:
    said = name.rstrip("_").replace("_", "-")
    return (
        f" {said}"
        if value is True
        else f' {said}="{escape(harmless(f"{value:g}" if isinstance(value, float) else str(value)))}"'
    )
