"""The texts of the tap's errors and warnings, read from its source."""

from __future__ import annotations

import ast
import string
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Text", "texts"]

_LOGGED = {"warning", "error", "critical"}
# These end a run or a connection; a ConfigError names its setting, and a ValueError
# is put behind such a name.
_RAISED = {
    "BadHandshake",
    "CatalogError",
    "ConnectionFailed",
    "CredentialError",
    "DeliveryError",
    "FeedError",
    "HandshakeRefused",
    "Incapable",
    "LocationError",
    "ParseError",
    "SchemaError",
    "SequenceError",
    "StreamMapError",
    "Unreachable",
    "Untrusted",
    "ViolationError",
}
_GAP = "\0"


class Text(NamedTuple):
    """A text for users, cut where the code puts a value in.

    Attributes:
        where: The file and the line.
        parts: What is always in it, in order.
    """

    where: str
    parts: tuple[str, ...]


def texts(package: Path) -> Iterator[Text]:
    """Yield the texts of a package's errors and warnings.

    Args:
        package: The folder of the package.
    """
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in _messages(function):
                    parts = _parts(node)
                    if parts:
                        yield Text(f"{path.relative_to(package)}:{node.lineno}", parts)


def _messages(function: ast.AST) -> Iterator[ast.expr]:
    """Yield what is logged or raised, also by way of a variable."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
        if getattr(node.args[0], "id", None) == "_LOGGER" or name == "log":
            # A logger that says a line seldom, or at a level that depends.
            yield from node.args[1:2]
            continue
        if name in (_LOGGED if isinstance(node.func, ast.Attribute) else _RAISED):
            first = node.args[0]
            if isinstance(first, ast.Name):
                yield from assigned.get(first.id, ())
            else:
                yield first


def _parts(node: ast.expr) -> tuple[str, ...]:
    """Return the fixed parts of a text, without what is too short to be found."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = _without_fields(node.value)
    elif isinstance(node, ast.JoinedStr):
        text = "".join(
            str(value.value) if isinstance(value, ast.Constant) else _GAP
            for value in node.values
        )
    else:
        return ()
    parts = (part.strip(string.punctuation + " ") for part in text.split(_GAP))
    return tuple(part for part in parts if " " in part)


def _without_fields(text: str) -> str:
    for field in ("%s", "%d", "%r", "%g", "%.1f", "%.0f", "%.3f"):
        text = text.replace(field, _GAP)
    return text
