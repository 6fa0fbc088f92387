"""What a log line may hold (contract, "Logs and secrets")."""

from __future__ import annotations

from tap_websocket.logs import SecretFilter


def test_a_value_captured_from_each_message_pushes_out_no_other_secret() -> None:
    mask = SecretFilter(["given-secret"])
    mask.learn(["fetched-token"])
    mask.capture({"session": "captured-session"})
    for number in range(5000):
        mask.capture({"cursor": 1_725_911_162_000_000 + number})
    text = "given-secret fetched-token captured-session 1725911162004999"
    assert mask.text(text) == "**** **** **** ****"


def test_short_captured_numbers_leave_counts_alone() -> None:
    mask = SecretFilter()
    mask.capture({"seq": 42})
    assert mask.text("42 messages") == "42 messages"
