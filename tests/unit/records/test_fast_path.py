"""The page path gives the records that the slow way gives, whatever is sent."""

from __future__ import annotations

import itertools
import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.feed.inbound import Origin
from tap_websocket.records import paths
from tap_websocket.records.plan import RecordPlan
from tap_websocket.records.slicer import make_slicer
from tap_websocket.records.template_path import TemplatePath
from tests.support.examples import examples, groups
from tests.support.intake import by_hand
from tests.support.json_objects import objects
from tests.support.receive import make_settings


class Trial:
    """A handler by hand, with the page path or without."""

    def __init__(
        self, *, fast: bool, deselected: frozenset[str] = frozenset(), **given: Any
    ) -> None:
        config = make_settings(
            max_messages=10**9,
            **{"on_parse_error": "skip", **given},
        )
        self.passed = 0
        with (
            mock.patch.object(
                RecordPlan, "fast_path", RecordPlan.fast_path if fast else none
            ),
            mock.patch.object(paths, "make_slicer", make_slicer if fast else none),
        ):
            self.hand = by_hand(config, deselected)
        self.handler, self.counts = self.hand.handler, self.hand.counts
        self.pages = self.hand.pages
        self.fast = fast
        encoder = self.hand.emitter._encoder  # noqa: SLF001 - what is counted
        self.passing = encoder.passing
        mock.patch.object(encoder, "passing", self._passing).start()

    def send(self, batches: list[list[bytes]], *, binary: bool = False) -> None:
        source = Origin(1, "ws://feed/path", {"region": "eu"} if self.regional else {})
        with (
            mock.patch.object(
                RecordPlan, "fast_path", RecordPlan.fast_path if self.fast else none
            ),
            # Templates, which have tests of their own, would come before it.
            mock.patch.object(TemplatePath, "_is_for", return_value=False),
        ):
            for batch in batches:
                outcome = self.handler.consume(source, batch, binary, None)
                assert outcome.error is None
            self.hand.finish()

    def _passing(self, *given: Any, **options: Any) -> list[bytes]:
        """Count what takes the page path."""
        lines = self.passing(*given, **options)
        self.passed += len(lines)
        return lines

    regional = False

    @property
    def lines(self) -> list[bytes]:
        return [line for page in self.pages for line in page.records()]

    @property
    def records(self) -> list[Any]:
        return [jsontext.parse(line) for line in self.lines]

    @property
    def schemas(self) -> list[Any]:
        return [page.schema for page in self.pages]


def none(*_: object, **__: object) -> None:
    return None


FORMS: list[dict[str, Any]] = [
    {},
    {"envelope": True},
    {"infer_messages": 0},
    {"record_metadata": True},
    {"contexts": [{"region": "eu"}]},
    {"contexts": [{"region": "eu"}], "record_metadata": True, "envelope": True},
    {"schema_evolution": "rescue"},
    {"infer_nested": True},
    {"records_path": "$", "record_metadata": True},
    {"records_path": "$", "infer_messages": 0},
    {"message_fields": {"copied": "$.id"}, "contexts": [{"region": "eu"}]},
    {"message_rules": [{"match": {"none": 1}}, {"capture": {"id": "$.id"}}, {}]},
]
CLASHES: list[dict[str, Any]] = [
    {"message_fields": {"symbol": "$.id", "new": "$.symbol"}},
    {"message_fields": {"symbol": "$.id"}, "envelope": True},
    {"array_columns": ["id", "symbol"], "primary_keys": []},
]


def both(form: dict[str, Any], batches: list[list[bytes]]) -> tuple[Trial, Trial]:
    trials = []
    for fast in (True, False):
        trial = Trial(fast=fast, **{"infer_messages": 2, **form})
        trial.regional = "contexts" in form
        trial.send(batches)
        trials.append(trial)
    return trials[0], trials[1]


@pytest.mark.parametrize("forms", groups([*FORMS, *CLASHES]))
@settings(max_examples=examples(60), deadline=None)
@given(
    sample=st.lists(objects(), max_size=3),
    batches=st.lists(st.lists(objects(), max_size=4), max_size=4),
)
def test_both_ways_give_equal_records(
    forms: list[dict[str, Any]],
    sample: list[str],
    batches: list[list[str]],
) -> None:
    payloads = [[text.encode() for text in batch] for batch in [sample, *batches]]
    for form in forms:
        fast, slow = both(form, payloads)
        assert fast.records == slow.records, form
        assert fast.counts == slow.counts, form
        assert fast.schemas == slow.schemas, form
        assert slow.passed == 0


TRADE = {"symbol": "x", "price": 1.5, "id": 1, "venue": {"name": "N"}}


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_plain_messages_take_the_page_path(form: dict[str, Any]) -> None:
    trades = [json.dumps(TRADE | {"id": number}).encode() for number in range(50)]
    fast, slow = both(form, [trades[:10], trades[10:]])
    assert fast.passed >= 40
    assert fast.records == slow.records
    assert len(fast.records) == 50


@pytest.mark.parametrize("form", ["raw_string", "binary"])
@pytest.mark.parametrize("binary", [False, True])
def test_texts_and_bytes_take_the_page_path(form: str, *, binary: bool) -> None:
    payloads = ['plain "text" é\n'.encode(), b"", b"{}", b"x" * 1000]
    trials = []
    for fast in (True, False):
        trial = Trial(fast=fast, message_format=form, on_parse_error="fail")
        trial.send([payloads], binary=binary)
        trials.append(trial)
    assert trials[0].passed == 4
    assert trials[0].records == trials[1].records


ODD = [
    b'{"symbol": "x",\n "price": 1.50,\r\n "id": 2}',
    b' {"id": 3} ',
    b"{}",
    b'{"id": 4, "id": 5}',
    b'{"id": "bad", "id": 6}',
    b'{"symbol": "\\u0000"}',
    b'{"symbol": "\\ud83d\\ude00 \\/ \\u00e9"}',
    b'{"new": 1}',
    b'{"new": 2, "price": 42000.10}',
    b'[{"id": 7}, {"id": 8, "newer": true}]',
    b"[]",
    b'"text"',
    b'{"id": 9223372036854775808}',
    b'{"symbol": null}',
]


@pytest.mark.parametrize("form", [*FORMS, *CLASHES], ids=str)
def test_odd_messages_among_plain_ones(form: dict[str, Any]) -> None:
    trade = json.dumps(TRADE).encode()
    mixed = [message for odd in ODD for message in (trade, odd)]
    fast, slow = both(form, [[trade, trade], mixed])
    assert fast.records == slow.records
    assert fast.counts == slow.counts
    assert all(b"\n" not in line and b"\r" not in line for line in fast.lines)


def test_digits_key_order_and_escapes_stay_as_sent() -> None:
    sent = b'{"price":42000.10,"symbol":"\\u00e9\\/","venue":{"fee":1E-2},"id":1}'
    trial = Trial(fast=True, infer_messages=1)
    trial.send([[json.dumps(TRADE).encode()], [sent]])
    assert trial.lines[-1] == sent


ADDED = ["_received_at", "_connection", "_sequence"]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "deselected",
    [frozenset(out) for size in range(4) for out in itertools.combinations(ADDED, size)]
    + [frozenset({"data"}), frozenset({"data", *ADDED})],
    ids=lambda out: "+".join(sorted(out)) or "nothing",
)
def test_what_a_catalog_deselects_stays_out_both_ways(
    deselected: frozenset[str], *, whole: bool
) -> None:
    given = {"record_metadata": True, **({"infer_messages": 0} if whole else {})}
    payloads = [b'{"id": %d}' % number for number in range(300)]
    both = [Trial(fast=fast, deselected=deselected, **given) for fast in (True, False)]
    for trial in both:
        trial.send([payloads[:150], payloads[150:]])
        for line in trial.lines:
            assert not deselected & json.loads(line).keys()
    assert both[0].records == both[1].records
    assert both[0].schemas[-1] == both[1].schemas[-1]


@pytest.mark.parametrize("given", [{"infer_messages": 0}, {"envelope": True}])
@pytest.mark.parametrize("number", [b"1e-20000", b" -2.5E-99999", b"[3e-20000]"])
def test_a_number_alone_is_no_other(given: dict[str, Any], number: bytes) -> None:
    both = [Trial(fast=fast, **given) for fast in (True, False)]
    for trial in both:
        trial.send([[number]])
    assert both[0].records == both[1].records
