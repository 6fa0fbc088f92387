"""Lines about fields that lost their place."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tap_websocket.columns.field_log import FieldLog

if TYPE_CHECKING:
    import pytest

GENERAL, OWN = "https://example.org/general", "https://example.org/own"


def test_each_page_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    log = FieldLog("is dropped", page=GENERAL)
    for name, page in (("a", ""), ("b", OWN), ("c", ""), ("d", OWN)):
        log.note(name, lambda: "why", page=functools.partial(str, page))
    assert caplog.messages == [
        f"The field 'a' is dropped: why; see {GENERAL}",
        f"The field 'b' is dropped: why; see {OWN}",
        "The field 'c' is dropped: why",
        "The field 'd' is dropped: why",
    ]


def test_a_field_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    log = FieldLog("is dropped")
    for name in ("a", "b", "a"):
        log.note(name, lambda: "why")
    assert caplog.messages == [
        "The field 'a' is dropped: why",
        "The field 'b' is dropped: why",
    ]
