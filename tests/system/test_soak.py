"""The soak's comparer finds what it should; and a few seconds of the soak itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.soak.__main__ import main
from tests.soak.compare import Sent, differences

if TYPE_CHECKING:
    from tests.soak.compare import Form


def record(line: str, connection: int, sequence: int, **given: Any) -> bytes:
    own = f'"feed":"a","_connection":{connection},"_sequence":{sequence}'
    text = '{"type":"RECORD","stream":"messages","record":{' + own
    more = "".join(f",{json.dumps(k)}:{json.dumps(v)}" for k, v in given.items())
    return f"{text}{more},{line}}}}}\n".encode()


MEMBERS = [f'"n":{number},"text":"é","flag":true' for number in range(1, 6)]
ARRIVED = [record(members, 1, at) for at, members in enumerate(MEMBERS, 1)]


def sent(*, complete: bool = True) -> Sent:
    return Sent(7, "a", [f"{{{members}}}".encode() for members in MEMBERS], complete)


def compare(lines: list[bytes], *, complete: bool = True, cut: bool = False) -> str:
    found = differences([sent(complete=complete)], lines, "columns", cut=cut)
    return next(found, "")


def numbered(*members: str) -> list[bytes]:
    return [record(one, 1, at) for at, one in enumerate(members, 1)]


def test_what_is_equal_is_no_difference() -> None:
    assert not compare(ARRIVED)


def test_a_prefix_is_enough_where_the_end_was_abortive() -> None:
    assert not compare(ARRIVED[:3], complete=False)
    assert not compare([], complete=False)
    assert "record 4 is lost" in compare(ARRIVED[:3])
    assert "record 1 is lost" in compare([])


def test_a_lost_message_is_found() -> None:
    lines = numbered(*MEMBERS[:2], *MEMBERS[3:])
    assert "what is before it is lost" in compare(lines, complete=False)


def test_a_doubled_message_is_found() -> None:
    lines = numbered(*MEMBERS[:2], *MEMBERS[1:])
    assert "came again" in compare(lines, complete=False)
    assert "came again" in compare(numbered(*MEMBERS, MEMBERS[4]), complete=False)


def test_messages_out_of_order_are_found() -> None:
    lines = numbered(MEMBERS[0], MEMBERS[2], MEMBERS[1], *MEMBERS[3:])
    assert "came too early (it is record 3)" in compare(lines, complete=False)


@pytest.mark.parametrize(
    "members",
    [
        '"n":2,"text":"e","flag":true',
        '"n":2,"text":"é","flag":1',
        '"n":2.0,"text":"é","flag":true',
        '"n":"2","text":"é","flag":true',
        '"n":2,"flag":true',
        '"n":2,"text":"é","flag":true,"more":0',
    ],
)
def test_a_changed_message_is_found(members: str) -> None:
    lines = numbered(MEMBERS[0], members, *MEMBERS[2:])
    assert "is changed" in compare(lines, complete=False)


def test_a_wrong_number_or_context_is_found() -> None:
    assert "a wrong _sequence" in compare([*ARRIVED[:2], record(MEMBERS[2], 1, 4)])
    other = ARRIVED[1].replace(b'"feed":"a"', b'"feed":"b"')
    assert "or context" in compare([ARRIVED[0], other])


def test_a_message_of_no_connection_is_found() -> None:
    assert "begins no connection" in compare([*ARRIVED, record(MEMBERS[0], 2, 1)])


def test_a_line_that_is_cut_short_is_found_unless_the_run_was_killed() -> None:
    lines = [*ARRIVED[:2], ARRIVED[2][:-9]]
    assert "cut short" in compare(lines, complete=False)
    assert not compare(lines, complete=False, cut=True)


@pytest.mark.parametrize(
    ("number", "same", "other"),
    [
        ("1.10", "1.10", "1.1"),
        ("1e5", "1E+5", "100000"),
        ("123456789012345678901234567890", "123456789012345678901234567890", "1e29"),
    ],
)
def test_digits_have_to_be_the_same(number: str, same: str, other: str) -> None:
    one = Sent(1, "a", [b'{"x":%b}' % number.encode()], complete=True)
    assert not list(differences([one], [record(f'"x":{same}', 1, 1)], "columns"))
    assert list(differences([one], [record(f'"x":{other}', 1, 1)], "columns"))


def test_what_was_rescued_or_written_as_text_is_what_was_sent() -> None:
    one = Sent(1, "a", [b'{"x":"n/a","y":[1.50],"z":"12","w":12}'], complete=True)
    text = {"type": ["string", "null"], "contentMediaType": "application/json"}
    schema = {"type": "SCHEMA", "schema": {"properties": {"z": text, "w": text}}}
    rescued = {"_rescued_data": '{"x": "n/a", "y": [1.50]}', "z": '"12"', "w": "12"}
    line = record('"other":null', 1, 1, **rescued)
    announced = json.dumps(schema).encode() + b"\n"
    assert not list(differences([one], [announced, line], "columns"))
    assert list(differences([one], [line], "columns"))


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("data", '"data":[{"a":1},{}]'),
        ("raw_string", '"data":"[{\\"a\\":1},{}]"'),
        ("binary", '"data":"W3siYSI6MX0se31d"'),
    ],
)
def test_messages_that_land_whole(form: Form, line: str) -> None:
    one = Sent(1, "a", [b'[{"a":1},{}]'], complete=True)
    assert not list(differences([one], [record(line, 1, 1)], form))
    assert list(differences([one], [record('"data":0', 1, 1)], form))


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_a_few_seconds_of_it(
    transport: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--minutes",
        "0.3",
        "--seed",
        "3",
        "--runs",
        "1",
        "--transport",
        transport,
    ]
    assert main(options) == 0, capsys.readouterr().out
