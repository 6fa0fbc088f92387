"""Whatever is sent in whatever runs: one table and rescue give it back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.columns import target_limits
from tap_websocket.columns.inference import infer
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.store import ColumnStore
from tests.support.columns import columns_of
from tests.support.json_objects import objects
from tests.unit.columns.test_columns_properties import canonical, exact, sent_back

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.columns.stored_columns import Column, StoredColumns


class Table:
    """A table whose columns keep the type that they were made with."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}

    def announce(self, properties: Mapping[str, Any], naming: str) -> None:
        for name, declared in properties.items():
            assert self.types.setdefault(name, declared) == declared
        if naming == "portable":
            folded = [target_limits.fold(name) for name in self.types]
            assert len(set(folded)) == len(folded)


@settings(deadline=None, max_examples=150)
@given(
    runs=st.lists(
        st.tuples(
            st.lists(objects(levels=2), max_size=4),
            st.integers(0, 3),
            # Which saves in mid-run fail.
            st.sets(st.integers(0, 3)),
        ),
        min_size=1,
        max_size=4,
    ),
    nested=st.booleans(),
    naming=st.sampled_from(["exact", "portable"]),
)
@example(
    runs=[
        (['{"a":1}'], 1, set()),
        (['{"a":1.5,"A":"x"}'], 1, set()),
        (['{"A":1,"a":2}'], 1, set()),
    ],
    nested=False,
    naming="portable",
)
@example(
    runs=[
        (['{"a":1}', '{"b":1}', '{"b":2}'], 1, {0}),
        (['{"b":"x"}'], 1, set()),
    ],
    nested=False,
    naming="exact",
)
def test_a_table_and_rescue_give_back_what_was_sent_in_any_runs(
    *,
    runs: list[tuple[list[str], int, set[int]]],
    nested: bool,
    naming: Any,
) -> None:
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "columns.json"
        for texts, sampled, failing in runs:
            _run(path, table, texts, sampled, failing, nested=nested, naming=naming)


def _run(
    path: Path,
    table: Table,
    texts: list[str],
    sampled: int,
    failing: set[int],
    *,
    nested: bool,
    naming: Any,
) -> None:
    records = [jsontext.parse(text.encode()) for text in texts]
    store = ColumnStore(
        str(path), stream="trades", naming=naming, reserved=[RESCUED], keys=()
    )
    stored = store.begin()
    if not stored.columns:
        found = infer(records[:sampled], nested=nested, keys=())
        if found["properties"]:
            stored = store.add_sample(found)
    saves = 0

    def save(wanted: list[Column]) -> StoredColumns | None:
        nonlocal saves
        saves += 1
        return None if saves - 1 in failing else store.save(wanted)

    columns = columns_of(
        {"type": "object", "properties": {c.name: c.schema for c in stored.columns}},
        keys=(),
        evolution="add_columns",
        added={},
        rescue=True,
        nested=nested,
        naming=naming,
        sent_as={column.name: column.sent_as for column in stored.columns},
        save=save,
    )
    for text, record in zip(texts, records, strict=True):
        fitted = columns.conform(record, {})
        table.announce(columns.schema["properties"], naming)
        # What is announced is in the file: no table is ahead of it.
        kept = {column.name for column in store.open().columns}
        assert columns.schema["properties"].keys() - {RESCUED} <= kept
        back = canonical(sent_back(fitted, columns, {}))
        nulls = {name for name in record if record[name] is None} - back.keys()
        assert not nulls or naming == "portable"
        assert back | dict.fromkeys(nulls, "null") == exact(text)
