"""Pages of a schema that grows: what is announced for them, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket.delivery.pages import Page, Pager

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """Calls nothing back."""

    def cancel(self) -> None:
        pass

    def __call__(self, _: float, __: Callable[[], None]) -> Timers:
        return self


def make(pages: list[Page], batch_size: int = 10) -> Pager:
    return Pager(
        put=pages.append,
        schedule=Timers(),
        now_ns=lambda: 0,
        batch_size=batch_size,
        page_bytes=1_000_000,
        flush_interval=None,
    )


def put(pager: Pager, schema: dict[str, Any], count: int = 1) -> None:
    pager.use_schema(schema)
    for _ in range(count):
        pager.extend([b"{}"])


def test_records_before_a_growth_keep_their_schema() -> None:
    pages: list[Page] = []
    pager = make(pages)
    old, new = {"a": 1}, {"a": 1, "b": 2}
    put(pager, old, 4)
    put(pager, new, 3)
    pager.flush()
    assert [(page.schema, page.count) for page in pages] == [(old, 4), (new, 3)]


def test_a_schema_that_grows_with_each_record_is_announced_once_a_page() -> None:
    pages: list[Page] = []
    pager = make(pages)
    schemas = [{"columns": number} for number in range(1000)]
    for schema in schemas:
        put(pager, schema)
    pager.flush()
    assert sum(page.count for page in pages) == 1000
    assert len(pages) <= 2 * 1000 // 10
    # No record has a column that its page was not announced with.
    written = 0
    for page in pages:
        written += page.count
        assert page.schema is schemas[written - 1]


def test_a_rest_and_then_growth_makes_a_page_of_its_own() -> None:
    pages: list[Page] = []
    pager = make(pages)
    for number in range(3):
        put(pager, {"columns": number}, 15)
    pager.flush()
    counts = [(page.schema["columns"], page.count) for page in pages]
    assert counts == [(0, 10), (0, 5), (1, 10), (1, 5), (2, 10), (2, 5)]
