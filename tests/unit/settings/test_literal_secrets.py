"""Which texts of a message are credentials."""

from __future__ import annotations

from typing import Any

import pytest

from tap_websocket.settings.literal_secrets import literal_secrets

SECRET = "hunter2-token-of-many-letters"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"op": "login", "args": [{"apiKey": SECRET, "passphrase": "pass-phrase"}]}, 2),
        ({"type": "auth", "token": SECRET}, 1),
        ({"type": "auth", "access_token": SECRET}, 1),
        ({"connect": {"X-Api-Key": SECRET}}, 1),
        ({"payload": {"Authorization": f"Bearer {SECRET}"}}, 1),
        ({"params": {"signature": SECRET, "key": SECRET}}, 2),
        ({"auth": [SECRET, SECRET]}, 2),
        ('{"action": "auth", "key": "' + SECRET + '"}', 1),
        (f"PASS oauth:{SECRET}", 1),
        (f"CONNECT user password={SECRET}&x=1", 1),
        (f'login "{SECRET}"', 1),
        ({"op": "subscribe", "args": ["trades.BTC-USD"]}, 0),
        ({"op": "subscribe", "key": "BTC-USD", "session": "spot"}, 0),
        ({"tokens": 5, "symbol": "a-very-long-symbol-name"}, 0),
        ("subscribe trades", 0),
        ("CAP REQ :twitch.tv/tags", 0),
        ({"password": "{pw}"}, 0),
        (["token", "of no value"], 0),
        (5, 0),
    ],
)
def test_credentials_are_known_by_their_names(message: Any, found: int) -> None:
    texts = list(literal_secrets(message))
    assert len(texts) == found
    assert all(SECRET in text or text == "pass-phrase" for text in texts)
