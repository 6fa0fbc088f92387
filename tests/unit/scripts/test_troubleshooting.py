"""docs/troubleshooting.md explains each error and warning of the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scripts.declared import ROOT
from scripts.messages import texts

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "troubleshooting.md"
# Reasons behind "is not valid …", which the page explains as one.
REASONS = ("records/codecs/",)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[`\\]", "", text)).lower()


def test_the_page_has_every_error_and_warning() -> None:
    page = plain(PAGE.read_text(encoding="utf-8"))
    every = list(texts(ROOT / "tap_websocket"))
    assert len(every) > 80
    missing = [
        f"{text.where}: {' … '.join(text.parts)}"
        for text in every
        if not text.where.startswith(REASONS)
        and not all(plain(part) in page for part in text.parts)
    ]
    assert not missing, "\n".join(["add to docs/troubleshooting.md:", *missing])


def test_texts_are_found_where_they_are_raised_and_logged(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "def f(name):\n"
        '    _LOGGER.warning("The field %s is odd; drop it", name)\n'
        '    _LOGGER.info("nothing of note")\n'
        '    seldom(_LOGGER, "again and again: %s", name)\n'
        '    _LOGGER.log(level, "more or less")\n'
        '    message = f"lost {name}: try again"\n'
        "    raise ConnectionFailed(message)\n"
        "def g():\n"
        '    raise FeedError("the feed is over")\n',
    )
    assert [(text.where, text.parts) for text in texts(tmp_path)] == [
        ("module.py:2", ("The field", "is odd; drop it")),
        ("module.py:4", ("again and again",)),
        ("module.py:5", ("more or less",)),
        ("module.py:6", ("try again",)),
        ("module.py:9", ("the feed is over",)),
    ]
