"""Rules that only capture: of plain data as little as can be is parsed for them."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.expressions.placeholders import PlaceholderValues
from tap_websocket.feed.inbound import Origin
from tap_websocket.records.document_reader import DocumentReader
from tests.support.examples import examples
from tests.support.intake import by_hand
from tests.support.receive import make_settings

RULES: list[dict[str, Any]] = [
    {"capture": {"cursor": "$.c"}},
    {"match": {"kind": "session"}, "capture": {"session": "$.s", "cursor": "$.first"}},
    {"match": {"op": "ask"}, "then": "ignore", "reply": {"at": "{cursor}"}},
    {"match": {"op": "late"}, "capture": {"late": "$.c"}},
]
"""The last rule stands behind one that acts."""

DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "c": st.integers(0, 99) | st.none(),
        "kind": st.sampled_from(["session", "other"]),
        "s": st.text(max_size=2),
        "first": st.integers(100, 199),
        "op": st.sampled_from(["ask", "late", "x"]),
    },
)
PAYLOADS = st.one_of(
    DOCUMENTS.map(json.dumps),
    st.lists(DOCUMENTS, min_size=1, max_size=3).map(json.dumps),
    st.sampled_from(["[]", "[1, 2]", "7", '{"c": 5', '{"\\u0063": 55}']),
).map(str.encode)


def run(batches: list[list[bytes]], *, noting: bool) -> Any:
    """Take messages; tell the records, what was sent, and what was captured."""
    config = make_settings(
        message_rules=RULES, on_parse_error="skip", infer_messages=2, max_messages=999
    )
    hand = by_hand(config)
    handler, router, counts = hand.handler, hand.router, hand.counts
    if not noting:
        router.prefilter, router.idle = None, False
    sent: list[str] = []
    source = Origin(1, "ws://feed/", {}, values=PlaceholderValues(), send=sent.append)
    for batch in batches:
        assert handler.consume(source, batch, False, None).error is None
    hand.finish()
    records = [jsontext.parse(line) for page in hand.pages for line in page.records()]
    return records, sent, dict(source.values), counts.ignored, counts.skipped


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.lists(PAYLOADS, max_size=8), max_size=6))
def test_notes_are_what_each_message_in_turn_would_leave(
    batches: list[list[bytes]],
) -> None:
    assert run(batches, noting=True) == run(batches, noting=False)


def test_plain_data_is_parsed_once_a_batch() -> None:
    batch = [b'{"c":%d}' % number for number in range(1000)]
    parse = DocumentReader.parsed
    parsed = mock.create_autospec(parse, side_effect=parse)
    with mock.patch.object(DocumentReader, "parsed", parsed):
        values = run([batch[:10], batch, [b'{"d":1}']], noting=True)[2]
    assert values == {"cursor": 999}
    assert [call.args[1] for call in parsed.call_args_list] == [batch[9], batch[999]]
