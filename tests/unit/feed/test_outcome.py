"""How the end of a connection is described and judged."""

from __future__ import annotations

import pytest

from tap_websocket.feed.outcome import Outcome
from tap_websocket.transports.base import Closing
from tap_websocket.transports.rfc6455 import ABNORMAL, NO_CODE


def ended(closing: Closing, *, silent: float = 0.0, pings: bool = False) -> Outcome:
    outcome = Outcome(pings=pings)
    outcome.close(closing, 100.0, silent=silent)
    return outcome


@pytest.mark.parametrize(
    ("closing", "words", "clean"),
    [
        (Closing(1000), "a Close frame with code 1000", True),
        (Closing(NO_CODE), "a Close frame with no code", True),
        (Closing(1012, "restart"), "a Close frame with code 1012 ('restart')", False),
        (Closing(ABNORMAL, failure="it broke"), "it broke", False),
    ],
)
def test_an_end_is_described(closing: Closing, words: str, clean: bool) -> None:
    outcome = ended(closing)
    assert (outcome.describe(), outcome.is_clean) == (words, clean)


def test_what_this_side_judged_comes_first() -> None:
    outcome = ended(Closing(1000))
    outcome.verdict = "a rule asked for it"
    assert outcome.describe() == "a rule asked for it"
    assert not outcome.is_clean


def test_a_long_silence_without_pings_is_worth_a_hint() -> None:
    broken = Closing(ABNORMAL, failure="it broke")
    assert "ping_interval" in ended(broken, silent=60).describe()
    assert ended(broken, silent=60, pings=True).describe() == "it broke"
    too_big = Closing(ABNORMAL, failure="too big", too_big=True)
    assert ended(too_big, silent=60).describe() == "too big"


def test_a_connection_that_lives_has_not_ended_cleanly() -> None:
    assert not Outcome(pings=False).is_clean
