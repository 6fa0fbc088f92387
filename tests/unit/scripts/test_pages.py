"""The pages lead to each other, and the README leads there from anywhere."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from scripts.declared import REPOSITORY, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "benchmarks" / "README.md",
    ],
)
PREFIXES = (
    f"{REPOSITORY}/blob/main/",
    f"{REPOSITORY}/tree/main/",
    "https://raw.githubusercontent.com/tap-websocket/tap-websocket/main/",
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    return _LINK.findall(_CODE.sub("``", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives a page's headings."""
    text = re.sub(
        r"^```.*?^```$",
        "",
        page.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        for prefix in PREFIXES:
            if link.startswith(prefix):
                target, _, anchor = link.removeprefix(prefix).partition("#")
                path = ROOT / target
                break
        else:
            if "://" in link or link.startswith("mailto:"):
                continue
            target, _, anchor = link.partition("#")
            path = page.parent / target if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path), link


def test_the_readme_has_no_relative_link() -> None:
    assert links(ROOT / "README.md")
    for link in links(ROOT / "README.md"):
        assert link.startswith("https://"), link


def test_each_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        for link in links(page):
            waiting += [
                ROOT / link.removeprefix(prefix).partition("#")[0]
                for prefix in PREFIXES
                if link.startswith(prefix)
            ]
            if "://" not in link:
                waiting.append((page.parent / link.partition("#")[0]).resolve())
    assert {page for page in PAGES if "docs" in page.parts} <= reached


def test_no_page_of_the_package_is_missing_from_the_repository() -> None:
    """Log lines name pages by their path."""
    package = ROOT / "tap_websocket"
    named = {
        found
        for path in package.rglob("*.py")
        for found in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_texts_for_users_name_pages_by_their_address() -> None:
    """Those who installed the package have no `docs/`."""
    relative = []
    for path in (ROOT / "tap_websocket").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        explained = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        relative += [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in explained
            and re.search(r"(?<!blob/main/)docs/\w+\.md", node.value)
        ]
    assert not relative


def test_the_architecture_names_each_package_and_no_file_that_is_gone() -> None:
    package = ROOT / "tap_websocket"
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/*]+(?:/|\.py))`", text))
    for name in named:
        assert (
            list(package.glob(name))
            or list(ROOT.glob(name))
            or any(package.glob(f"*/{name}"))
        ), name
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("[a-z]*.py")}
    assert packages | modules <= named


def test_addresses_in_texts_for_users_lead_somewhere() -> None:
    addresses = {
        found
        for path in (ROOT / "tap_websocket").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in re.findall(f"{REPOSITORY}/blob/main/([\\w/.#-]+)", node.value)
    }
    assert len(addresses) > 3
    for address in addresses:
        target, _, anchor = address.rstrip(".").partition("#")
        assert (ROOT / target).exists(), address
        if anchor:
            assert anchor in anchors(ROOT / target), address
