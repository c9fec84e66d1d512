"""HTML and SVG from plain values; whatever is text is escaped, always."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Content = Element | str | Iterable["Content"] | None
"""What stands inside an element: elements, texts, several of them, or nothing."""


def element(name: str, /, *content: Content, **attributes: object) -> Element:
    """Return an element.

    Args:
        name: Its name.
        content: What stands in it.
        attributes: Underscores stand for hyphens, and one at the end is dropped (`class_`).

    """
    made = Element(name, {_spelt(key): _clean(str(value)) for key, value in attributes.items()})
    for item in content:
        _add(made, item)
    return made


def page(root: Element) -> str:
    """Return a whole page."""
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _add(parent: Element, item: Content) -> None:
    if item is None:
        return
    if isinstance(item, Element):
        parent.append(item)
    elif isinstance(item, str):
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + _clean(item)
        else:
            parent.text = (parent.text or "") + _clean(item)
    else:
        for one in item:
            _add(parent, one)


def _spelt(attribute: str) -> str:
    return attribute.removesuffix("_").replace("_", "-")


def _clean(text: str) -> str:
    """Return a text without what no page can hold: half surrogate pairs and control characters."""
    text = text.encode("utf-8", "replace").decode()
    return "".join([one if one >= " " or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text])
