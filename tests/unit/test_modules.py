"""What holds for every module of the package, whatever is in it."""

from __future__ import annotations

import ast
from pathlib import Path

import tap_websocket

ROOT = Path(tap_websocket.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}
MAX_LINES = 400


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _exported(tree: ast.Module) -> set[str]:
    return {
        str(name.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
        and isinstance(node.value, ast.List)
        for name in node.value.elts
        if isinstance(name, ast.Constant)
    }


def _only_typing(tree: ast.Module) -> set[str]:
    """Return the names that a module has for type checkers alone."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.If)
        for inner in node.body
        if isinstance(inner, ast.Assign)
        for target in inner.targets
        if isinstance(target, ast.Name)
    }


EXPORTS = {
    _name(path): _exported(tree) | _only_typing(tree) for path, tree in TREES.items()
}


def test_modules_are_short_enough_to_be_read_at_once() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_modules_use_of_each_other_what_these_offer() -> None:
    """Nothing private, and nothing that `__all__` does not name."""
    hidden = [
        f"{_name(path)}: {node.module}.{alias.name}"
        for path in MODULES
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.ImportFrom) and node.module in EXPORTS
        for alias in node.names
        if f"{node.module}.{alias.name}" not in EXPORTS
        and alias.name not in EXPORTS[node.module]
    ]
    assert hidden == []
