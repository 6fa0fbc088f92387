"""What a log line may hold, and how often one is written."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from tap_websocket.logs import LogThrottle, SecretFilter, escape, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = 's3cr3t/"tö ken"+42'


@pytest.fixture
def logger() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with a handler of its own, which hands nothing on to others."""
    stream = io.StringIO()
    found = logging.getLogger("tests.own")
    handler = logging.StreamHandler(stream)
    found.addHandler(handler)
    found.propagate = False
    yield found, stream
    found.removeHandler(handler)
    found.propagate = True


def test_a_value_captured_from_each_message_pushes_out_no_other_secret() -> None:
    mask = SecretFilter(["given-secret"])
    mask.learn(["fetched-token"])
    mask.capture({"session": "captured-session"})
    for number in range(5000):
        mask.capture({"cursor": 1_725_911_162_000_000 + number})
    text = "given-secret fetched-token captured-session 1725911162004999"
    assert mask.text(text) == "**** **** **** ****"


@pytest.mark.parametrize(
    "address",
    ["wss://feed.example.com", "ws://localhost:8080/", "https://[::1]:9", "HTTP://A.B"],
)
def test_an_address_without_a_path_is_no_secret(address: str) -> None:
    mask = SecretFilter([address])
    mask.capture({"gateway": address})
    mask.learn([address])
    assert mask.text(f"Lost {address}: it went") == f"Lost {address}: it went"


@pytest.mark.parametrize(
    "address",
    ["wss://user:pw@feed.example.com", "wss://a.example/x", "wss://a.example?t=1"],
)
def test_an_address_with_more_is_one(address: str) -> None:
    assert SecretFilter([address]).text(f"Lost {address}") == "Lost ****"


def test_short_captured_numbers_leave_counts_alone() -> None:
    mask = SecretFilter()
    mask.capture({"seq": 42})
    mask.learn(["1718"])
    assert mask.text("42 messages in 1718 s") == "42 messages in 1718 s"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(SECRET))[3:-3],
        html.escape(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
)
def test_each_form_of_a_secret_is_masked(shown: str) -> None:
    for mask in (SecretFilter([SECRET]), SecretFilter(), SecretFilter()):
        mask.learn([SECRET])
        assert mask.text(f"it is {shown}.") == "it is ****."


@given(st.binary(max_size=9), st.binary(min_size=6, max_size=40), st.binary(max_size=9))
def test_base64_of_a_text_with_a_secret_in_it_is_masked(
    before: bytes, secret: bytes, behind: bytes
) -> None:
    text = secret.hex()
    mask = SecretFilter([text])
    data = before + text.encode() + behind
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        assert "****" in mask.text(encoded.decode())
        (found,) = mask.text(encoded.decode()).split("****")[1:]
        left = encoded.decode()[len(encoded) - len(found) :]
        assert len(left) * 6 // 8 <= len(behind) + 3


def test_a_secret_with_quotes_is_masked_as_python_writes_it() -> None:
    secret = 'it\'s \\ "quoted"'
    mask = SecretFilter([secret])
    assert mask.text(repr(f"x{secret}y'\"")) == "'x****y\\'\"'"


def test_hexadecimal_is_masked_in_the_other_case() -> None:
    mask = SecretFilter(["deadBEEF0123"])
    assert mask.text("DEADBEEF0123 deadbeef0123 deadBEEF0123") == "**** **** ****"


def test_a_secret_inside_of_another_leaves_nothing_of_it() -> None:
    mask = SecretFilter(["abcdef", "abcdefghij"])
    assert mask.text("abcdefghij") == "****"


def test_large_values_cost_no_more_than_small_ones() -> None:
    mask = SecretFilter()
    large = [f"{number:06d}" + "x" * 100_000 for number in range(1000)]
    begin = time.process_time()
    for value in large:
        mask.capture({"state": value})
        mask.learn([value])
    for _ in range(20):
        mask.text("a line " * 20)
    assert time.process_time() - begin < 2
    assert mask.text(f"it is {large[-1]}, at last") == "it is ****"
    assert mask.text(f"it is {quote(large[-1])}, at last") == "it is ****"


def test_masking_keeps_nothing_that_grows_with_what_was_sent() -> None:
    mask = SecretFilter()
    tracemalloc.start()
    for number in range(50):
        value = f"{number:03d}" + "x" * 1_000_000
        mask.capture({"state": value, f"n{number}": [value]})
        mask.learn([value])
    mask.text("a line")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 5_000_000


def test_a_logger_with_a_handler_of_its_own_is_masked_too(
    logger: tuple[logging.Logger, io.StringIO],
) -> None:
    mask = SecretFilter(["hunter2-token"])
    mask.install()
    logger[0].error("the token is %s", "hunter2-token")
    assert logger[1].getvalue() == "the token is ****\n"


@pytest.mark.parametrize("formatter", [logging.Formatter(), StructuredFormatter()])
def test_an_error_is_masked_whatever_formats_it(
    logger: tuple[logging.Logger, io.StringIO], formatter: logging.Formatter
) -> None:
    mask = SecretFilter(["hunter2-token"])
    mask.install()
    # The first is the logger's own; behind it pytest has its handler of all tests.
    logger[0].handlers[0].setFormatter(formatter)
    try:
        json.loads("hunter2-token is wrong")
    except json.JSONDecodeError as error:
        error.add_note("hunter2-token")
        logger[0].exception("it failed with %s", error.doc)
    assert "it failed" in logger[1].getvalue()
    assert "hunter2" not in logger[1].getvalue()


def test_what_interrupts_the_filter_may_log(
    logger: tuple[logging.Logger, io.StringIO],
) -> None:
    """A signal's handler does, or a finalizer, while secrets are learned."""
    mask = SecretFilter(["hunter2-token"])
    mask.install()

    def interrupted() -> Iterator[str]:
        logger[0].error("hunter2-token")
        yield "another-token"

    # A thread that waits for itself would wait for ever.
    thread = threading.Thread(target=mask.learn, args=(interrupted(),), daemon=True)
    thread.start()
    thread.join(20)
    logger[0].handlers[0].flush()
    assert not thread.is_alive()
    logger[0].error("another-token")
    assert logger[1].getvalue() == "****\n****\n"


def test_a_filter_that_nobody_keeps_is_gone(
    logger: tuple[logging.Logger, io.StringIO],
) -> None:
    mask = SecretFilter(["of-nobody"])
    mask.install()
    del mask
    logger[0].error("of-nobody")
    assert logger[1].getvalue() == "of-nobody\n"


def test_a_record_stays_on_one_line(
    logger: tuple[logging.Logger, io.StringIO],
) -> None:
    mask = SecretFilter()
    mask.install()
    logger[0].error("it said %s", "a\nb\r\x1b[31mred\x00\u2028\u202e")
    assert logger[1].getvalue() == ("it said a\\nb\\r\\x1b[31mred\\x00\\u2028\\u202e\n")


def test_a_long_line_is_cut(logger: tuple[logging.Logger, io.StringIO]) -> None:
    mask = SecretFilter(["hunter2-token"])
    mask.install()
    logger[0].error("%s", "x" * 4090 + "hunter2-token" + "x" * 1_000_000)
    line = logger[1].getvalue()
    assert len(line) < 5000
    assert "hunter2" not in line


def test_what_cannot_be_formatted_shows_no_arguments(
    logger: tuple[logging.Logger, io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    mask = SecretFilter()
    mask.install()
    logger[0].error("%d", "hunter2-token")  # noqa: PLE1206, RUF100 - it is wrong
    assert logger[1].getvalue() == "a log line could not be formatted\n"
    assert not capsys.readouterr().err


def test_an_excerpt_is_masked_before_it_is_cut() -> None:
    mask = SecretFilter(["hunter2-token"])
    assert mask.excerpt("x" * 95 + "hunter2-token", 100) == "x" * 95 + "****"
    assert mask.excerpt("a\nb", 100) == "a\\nb"


def test_texts_are_escaped_only_where_they_cannot_be_printed() -> None:
    assert escape("naïve 東京 'x'") == "naïve 東京 'x'"
    assert escape("\ud800\t") == "\\ud800\\t"


def test_a_text_that_was_cut_says_so() -> None:
    assert shorten("x" * 100) == "x" * 100
    assert shorten("x" * 101) == "x" * 100 + "… (101 characters)"


def test_a_throttle_counts_what_it_holds_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 100.0
    throttle = LogThrottle(10, level=logging.INFO, clock=lambda: now)
    log = logging.getLogger("tests.throttle")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            throttle(log, "%d gone", 1)
        now = 109.9
        throttle(log, "%d gone", 2)
        now = 110.0
        throttle(log, "%d gone", 3)
        now = 120.0
        throttle(log, "%d gone", 4)
    assert caplog.messages == [
        "1 gone",
        "3 gone (3 more such lines were held back)",
        "4 gone",
    ]
    assert {record.levelname for record in caplog.records} == {"INFO"}
