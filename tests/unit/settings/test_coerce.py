"""Settings: their types from every source, and what wrong ones get."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from tap_websocket.tap import TapWebSocket
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr3t"


def problems(**given: Any) -> list[str]:
    """Return the lines that a config gets."""
    base = {"url": "ws://localhost/", "max_messages": 1}
    config = {k: v for k, v in {**base, **given}.items() if v is not ...}
    try:
        TapWebSocket(config=config)
    except ConfigValidationError as error:
        return list(error.errors)
    return []


DEEP = '{"a":' * 200_000 + "1" + "}" * 200_000


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"url": ...},
        "url: is required; for example wss://stream.example.com/trades",
    ),
    ({"url": ..., "max_messages": ...}, "a run needs an end"),
    ({"url": "https://localhost/"}, "'https://' was given; write wss:// instead"),
    ({"auth": {"type": "baerer"}}, "did you mean 'bearer'?"),
    ({"transport": "pikows"}, "'pikows' was given; did you mean 'picows'?"),
    ({"url": 7}, "url: must be a string; 7 was given"),
    ({"url": "http://localhost/"}, "url: must begin with ws:// or wss://; 'http://'"),
    ({"url": "localhost"}, "url: must begin with ws:// or wss://"),
    ({"url": "ws://"}, "url: has no host"),
    ({"url": "ws://host:99999/"}, "url: is not a valid URL"),
    ({"url": "ws://host/#part"}, "url: has a fragment"),
    ({"url": "ws://host/{nobody}"}, "url: {nobody} is declared nowhere"),
    ({"headers": {"Host": "x"}}, "headers: Host is set by the handshake itself"),
    ({"headers": {"sec-websocket-key": "x"}}, "headers: sec-websocket-key is set by"),
    ({"headers": {"upgrade": "x"}}, "headers: upgrade is set by"),
    ({"headers": {"X": "a\r\nY: b"}}, "headers: the value of X holds a line break"),
    ({"headers": {"a b": "x"}}, "headers: 'a b' is not a valid header name"),
    ({"headers": {"X": "{nobody}"}}, "headers: the value of X: {nobody} is declared"),
    ({"headers": {"X": 5}}, "headers.X: must be a string; a number was given"),
    ({"headers": "X: y"}, "headers: must be an object, as JSON"),
    ({"auth": {"type": "beerer"}}, "auth.type: must be one of none, bearer"),
    ({"auth": {}}, "auth: needs type"),
    ({"auth": {"type": "bearer"}}, "auth: type bearer needs token"),
    ({"auth": {"type": "bearer", "token": ""}}, "auth.token: must be a token"),
    (
        {"auth": {"type": "bearer", "tokn": SECRET}},
        "auth: type bearer has no key 'tokn'",
    ),
    ({"auth": {"type": "none", "token": SECRET}}, "auth: type none has no key 'token'"),
    ({"auth": {"type": "custom"}}, "auth: type custom needs headers"),
    (
        {"auth": {"type": "custom", "headers": {"Host": SECRET}}},
        "auth.headers: Host is",
    ),
    (
        {
            "auth": {
                "type": "signed",
                "secret": SECRET,
                "template": "{timestamp}",
                "timestamp_offset": "1e12",
            }
        },
        "auth.timestamp_offset: must be a number, at least -31622400 and at most ",
    ),
    ({"auth": f"bearer {SECRET}"}, "auth: must be an object, as JSON"),
    ({"connect_timeout": 0}, "connect_timeout: must be a number greater than 0; 0 was"),
    ({"connect_timeout": -1}, "connect_timeout: must be a number greater than 0"),
    ({"connect_timeout": "soon"}, "connect_timeout: must be a number greater than 0; "),
    ({"close_timeout": "0"}, "close_timeout: must be a number greater than 0"),
    ({"ping_interval": True}, "ping_interval: must be a number greater than 0; true"),
    ({"max_message_bytes": 0}, "max_message_bytes: must be a whole number, at least 1"),
    ({"max_message_bytes": 1.5}, "max_message_bytes: must be a whole number"),
    ({"max_messages": 0}, "max_messages: must be a whole number, at least 1; 0 was"),
    (
        {"max_messages": "ten"},
        "max_messages: must be a whole number, at least 1; 'ten'",
    ),
    ({"max_messages": ...}, "set max_messages, idle_timeout or max_duration"),
    ({"idle_reset": "ping"}, "idle_reset: must be one of frame, message; 'ping' was"),
    ({"reconnect": "ture"}, "reconnect: must be true or false; 'ture' was given"),
    ({"reconnect": 2}, "reconnect: must be true or false; 2 was given"),
    ({"reconnect_backoff": 0}, "reconnect_backoff: must be a number greater than 0"),
    ({"reconnect_backoff_max": 0.5}, "reconnect_backoff_max: must be at least"),
    ({"max_reconnect_attempts": -1}, "max_reconnect_attempts: must be a whole number"),
    ({"fatal_close_codes": ["4x"]}, "fatal_close_codes[0]: must be"),
    ({"fatal_close_codes": ["3999-3500"]}, "fatal_close_codes[0]: a range goes"),
    ({"fatal_close_codes": ["3500-"]}, "fatal_close_codes[0]: must be"),
    ({"fatal_close_codes": [99]}, "fatal_close_codes[0]: must be"),
    ({"fatal_close_codes": 4000}, "fatal_close_codes: must be an array; 4000 was"),
    (
        {"message_format": "xml"},
        "message_format: must be one of json, msgpack, ",
    ),
    ({"on_parse_error": "ignore"}, "on_parse_error: must be one of fail, skip"),
    ({"envelope": "yes"}, "envelope: must be true or false; 'yes' was given"),
    ({"contexts": [{"a b": "x"}]}, "contexts[0]: 'a b' is not a valid name"),
    ({"contexts": [{"a": 1}]}, "contexts[0].a: must be a string; a number"),
    ({"contexts": {"a": "b"}}, "contexts: must be an array; an object was given"),
    ({"stream_name": ""}, "stream_name: must be a string that is not empty"),
    ({"primary_keys": "id"}, "primary_keys: must be an array, as JSON"),
    (
        {
            "primary_keys": ["id"],
            "schema": {"properties": {"at": {"type": "string"}}},
            "schema_evolution": "add_columns",
        },
        "primary_keys: 'id' is not in schema; add it there",
    ),
    (
        {"primary_keys": ["id"], "infer_messages": 0},
        "primary_keys: 'id' is no column; the columns are data",
    ),
    (
        {"primary_keys": ["id"], "envelope": True},
        "primary_keys: 'id' is no column; the columns are data, received_at, url",
    ),
    (
        {"primary_keys": ["n"], "message_format": "raw_string"},
        "primary_keys: 'n' is no column; the columns are data",
    ),
    ({"schema": "nowhere.json"}, "schema: the file nowhere.json cannot be read"),
    ({"schema": {"type": "object"}}, "schema: it declares no properties"),
    (
        {"schema": {"properties": {"a": {"b": {"type": "string"}}}}},
        "put the schema into",
    ),
    ({"schema": 5}, "schema: must be an object or a string; 5 was given"),
    ({"schema_evolution": "grow"}, "schema_evolution: must be one of add_columns"),
    ({"infer_messages": -1}, "infer_messages: must be a whole number, at least 0"),
    ({"batch_size": -1}, "batch_size: must be a whole number, at least 0; -1 was"),
    ({"flush_interval": 0}, "flush_interval: must be a number greater than 0"),
    ({"buffer_bytes": 0}, "buffer_bytes: must be a whole number, at least 1"),
    ({"spill_bytes": -1}, "spill_bytes: must be a whole number, at least 0"),
    ({"drain_timeout": 0}, "drain_timeout: must be a number greater than 0"),
    ({"subscribe_messages": "x"}, "subscribe_messages: must be an array, as JSON"),
    ({"subscribe_messages": [5]}, "subscribe_messages[0]: must be"),
    (
        {"subscribe_messages": [{"mesage": "x"}]},
        "subscribe_messages[0]: has no key 'mesage'; it takes message",
    ),
    (
        {"subscribe_messages": [{"op": "subscribe", "args": ["a"]}]},
        '\'op\'; put the message itself under message: {"message": {"op": …}}',
    ),
    ({"transport": "carrier-pigeon"}, "transport: must be one of auto, websockets"),
    ({"subscribe_messages": [{}]}, "has neither a message to send nor a reply"),
    (
        {"subscribe_messages": [{"message": "x", "reply_count": 2}]},
        "subscribe_messages[0]: reply_count needs a reply",
    ),
    (
        {"subscribe_messages": [{"message": "no base64!", "binary": True}]},
        "subscribe_messages[0]: with binary: true the message is a string of base64",
    ),
    (
        {"subscribe_messages": [{"message": {"a": 1}, "binary": True}]},
        "subscribe_messages[0]: with binary: true the message is a string of base64",
    ),
    (
        {"subscribe_messages": [{"reply": {"$regex": "("}}]},
        "subscribe_messages[0].reply: $regex: '(' is not a regular expression",
    ),
    ({"subscribe_interval": -1}, "subscribe_interval: must be a number, at least 0"),
    ({"message_rules": {}}, "message_rules: must be an array"),
    (
        {"message_rules": [{"then": "drop it"}]},
        "message_rules[0].then: must be one of emit, ignore, reconnect",
    ),
    ({"message_rules": [{"then": "drop it"}]}, "; 'drop it' was given"),
    ({"message_rules": [{"than": "fail"}]}, "message_rules[0]: has no key 'than'"),
    ({"message_rules": [{"then": "fial"}]}, "message_rules[0].then: must be one of"),
    ({"message_rules": [{"match": 5}]}, "message_rules[0].match: must be"),
    (
        {"message_rules": [{"match": {"a": {"$exists": False}}}]},
        "message_rules[0].match: $exists takes true",
    ),
    (
        {"message_rules": [{"capture": {"a": "$.[b"}}]},
        "message_rules[0].capture.a: '$.[b' is not a JSONPath",
    ),
    (
        {"message_rules": [{"capture": {"a": "group"}}]},
        "'group' is neither a JSONPath",
    ),
    ({"heartbeat_message": "ping"}, "heartbeat_interval: is required with"),
    ({"stale_timeout": 0}, "stale_timeout: must be a number greater than 0"),
    ({"placeholders": {"a b": "x"}}, "placeholders: 'a b' is not a valid name"),
    ({"placeholders": {"a": [SECRET]}}, "placeholders.a: must be"),
    ({"subprotocols": ["a b"]}, "subprotocols[0]: is not a valid name"),
    ({"subprotocols": ["a", "a"]}, "subprotocols: lists a name twice"),
    ({"tls": {"ca_file": "/nowhere.pem"}}, "tls.ca_file: the file /nowhere.pem cannot"),
    ({"tls": {"cafile": "x"}}, "tls: has no key 'cafile'"),
    ({"proxy": f"ftp://u:{SECRET}@host:1"}, "proxy: must be http://, https://, socks5"),
    (
        {"compression": True, "transport": "picows"},
        "transport: picows has no compression",
    ),
    (
        {"payload_compression": "brotli"},
        "payload_compression: must be one of none, gzip",
    ),
    ({"record_separator": ["x"]}, "record_separator: must be a string"),
    ({"message_pattern": "("}, "message_pattern: '(' is not a regular expression"),
    (
        {"message_pattern": "(?P<json>a{99999999999999999999})"},
        "is not a regular expression: the repetition number is too large",
    ),
    ({"message_pattern": "(?P<x>.)"}, "message_pattern: '(?P<x>.)' has no group"),
    (
        {"message_pattern": "x", "message_format": "raw_string"},
        "message_pattern: 'x' has no named group",
    ),
    ({"json_fields": ["$.[x"]}, "json_fields[0]: '$.[x' is not a JSONPath"),
    ({"records_path": "$.[x"}, "records_path: '$.[x' is not a JSONPath"),
    ({"message_fields": {"a": "$.[x"}}, "message_fields.a: '$.[x' is not a JSONPath"),
    (
        {"message_fields": {"a": "$.a"}, "contexts": [{"a": "b"}]},
        "message_fields: a is a column that the tap itself fills",
    ),
    (
        {"message_fields": {"_rescued_data": "$.a"}},
        "message_fields: _rescued_data is a column",
    ),
    ({"array_columns": ["a", "a"]}, "array_columns: names must be unique"),
    ({"auth": {"type": "basic", "username": "u"}}, "auth: type basic needs password"),
    (
        {"auth": {"type": "basic", "username": "a:b", "password": SECRET}},
        "auth.username: holds a colon",
    ),
    (
        {
            "auth": {
                "type": "oauth2",
                "token_url": "x",
                "client_id": "i",
                "client_secret": SECRET,
            },
        },
        "auth.token_url: must be a URL that begins with http:// or https://",
    ),
    (
        {"auth": {"type": "token_endpoint", "url": "http://x/{y}", "values": {}}},
        "auth.url: {y} is declared nowhere",
    ),
    (
        {"auth": {"type": "token_endpoint", "url": "http://x/", "values": {}}},
        "auth.values: is empty",
    ),
    (
        {
            "auth": {
                "type": "signed",
                "secret": f"{SECRET}!",
                "template": "{timestamp}{who}",
                "secret_encoding": "base64",
            },
        },
        "auth.template: {who} is declared nowhere",
    ),
    ({"stream_name": "x\ud800"}, "stream_name: a text in it holds half of a"),
    (
        {"headers": {"X-Key": f"{SECRET}\udfff"}},
        "headers: a text in it holds half of a",
    ),
    (
        {"auth": {"type": "bearer", "token": f"{SECRET}\ud800"}},
        "auth: a text in it holds half of a surrogate pair, which is no character",
    ),
    (
        {"placeholders": '{"a\\ud800": "b"}'},
        "placeholders: a text in it holds half of a",
    ),
    ({"max_duration": math.inf}, "max_duration: a number in it is too large, or none"),
    ({"max_duration": math.nan}, "max_duration: a number in it is too large, or none"),
    ({"max_duration": "9" * 400}, "max_duration: a number in it is too large, or none"),
    ({"subscribe_messages": '[{"message": [NaN]}]'}, "subscribe_messages: a number in"),
    ({"placeholders": '{"a": 1e400}'}, "placeholders: a number in it is too large"),
    ({"headers": DEEP}, "headers: is nested too deeply"),
    ({"message_rules": f"[{DEEP}]"}, "message_rules: is nested too deeply"),
    ({"max_messages": 10**18}, "max_messages: must be a whole number of at most 18"),
    ({"batch_size": "9" * 5000}, "batch_size: must be a whole number of at most 18"),
    ({"buffer_bytes": 1e300}, "buffer_bytes: must be a whole number of at most 18"),
]


@pytest.mark.parametrize(("given", "line"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_one_line(given: dict[str, Any], line: str) -> None:
    found = problems(**given)
    assert any(line in problem for problem in found), found
    assert SECRET not in " ".join(found)
    assert all("\n" not in problem for problem in found)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"reconnect_backoff": 2}, "reconnect_backoff"),
        ({"max_reconnect_attempts": 2}, "max_reconnect_attempts"),
        ({"ping_timeout": 2}, "ping_timeout"),
        ({"idle_reset": "message"}, "idle_reset"),
        ({"batch_size": 0, "flush_interval": 2}, "flush_interval"),
        ({"message_format": "binary", "on_parse_error": "skip"}, "on_parse_error"),
        (
            {"schema": {"properties": {"a": {"type": "string"}}}, "infer_messages": 5},
            "infer_messages",
        ),
        ({"envelope": True, "infer_nested": True}, "infer_nested"),
        ({"infer_messages": 0, "infer_timeout": 3}, "infer_timeout"),
        (
            {"message_format": "raw_string", "schema_evolution": "fail"},
            "schema_evolution",
        ),
    ],
)
def test_settings_that_cannot_act_are_warned_about(
    given: dict[str, Any],
    name: str,
) -> None:
    (warning,) = make_settings(max_messages=1, **given).warnings
    assert warning.startswith(f"{name}: has no effect with")


def test_numbers_may_arrive_as_texts() -> None:
    settings = make_settings(
        max_messages="7",
        idle_timeout="0.25",
        max_duration=Decimal("1.50"),
        batch_size="10",
        reconnect="TRUE",
        envelope="0",
        fatal_close_codes='[4001, "4xxx"]',
    )
    assert settings.ends.max_messages == 7
    assert settings.ends.idle_timeout == 0.25
    assert settings.ends.max_duration == 1.5
    assert settings.delivery.batch_size == 10
    assert settings.reconnect.reconnect
    assert not settings.decoding.envelope
    assert 4001 in settings.reconnect.fatal_close_codes
    assert 4999 in settings.reconnect.fatal_close_codes
    assert 1011 not in settings.reconnect.fatal_close_codes


def test_keys_with_dots_are_joined_again() -> None:
    settings = make_settings(headers={"X-Api": {"Key": "a", "Other": {"Deep": "b"}}})
    assert ("X-Api.Key", "a") in settings.connection.headers
    assert ("X-Api.Other.Deep", "b") in settings.connection.headers


def test_an_object_that_meltano_emptied_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAP_WEBSOCKET_HEADERS", '{"X-Api.Key": "s3cr3t"}')
    auth = '{"type": "custom", "headers": {"A.B": "s3cr3t"}}'
    monkeypatch.setenv("TAP_WEBSOCKET_AUTH", auth)
    found = problems(headers={}, auth={"type": "custom", "headers": {}})
    assert len(found) == 2
    assert found[0].startswith("headers: arrived empty, since its keys have dots")
    assert found[1].startswith("auth.headers: arrived empty")
    assert SECRET not in " ".join(found)
    assert problems(headers={"X-Api": {"Key": "s3cr3t"}}) == []


def test_headers_are_merged_over_the_default_whatever_their_case() -> None:
    (only,) = make_settings().connection.headers
    assert only[0] == "User-Agent"
    assert only[1].startswith("tap-websocket/")
    (own,) = make_settings(headers={"user-agent": "mine"}).connection.headers
    assert own == ("user-agent", "mine")


def test_a_schema_may_be_a_text_or_a_file(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a.b": {"type": "string"}}}
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema))
    for given in (schema, json.dumps(schema), str(path)):
        stream = make_settings(schema=given).stream
        assert stream.schema is not None
        assert list(stream.schema["properties"]) == ["a.b"]
        assert stream.schema_evolution == "rescue"
    assert make_settings().stream.schema_evolution == "add_columns"
