"""The setting `proxy`: what it may be, and what the environment says without it."""

from __future__ import annotations

import importlib.util

import pytest

from tap_websocket.network import proxy as proxies
from tap_websocket.network.errors import BadHandshake
from tap_websocket.network.proxy import check_proxy, proxy_for, proxy_secrets
from tests.support.connect import connect

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "http://proxy.test",
        "http://proxy.test:3128/",
        "HTTP://proxy.test:3128",
        "https://user@proxy.test:3128",
        "https://us%40er:pa%3Ass@proxy.test",
        "socks5://[::1]:1080",
        "socks5h://user:password@10.0.0.1",
    ],
)
def test_what_may_be_given(text: str) -> None:
    assert check_proxy(text) is None


SCHEMES = "must be http://, https://, socks5:// or socks5h://, or none"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", SCHEMES),
        ("proxy.test:3128", SCHEMES),
        ("10.0.0.1:3128", SCHEMES),
        ("socks4://proxy.test", SCHEMES),
        ("ws://proxy.test", SCHEMES),
        ("None", SCHEMES),
        ("http://", "names no host; write http://host:port"),
        ("socks5://:1080", "names no host; write socks5://host:port"),
        ("http://sEcret:sEcret@", "names no host; write http://host:port"),
        ("http://proxy.test:99999", "is not a URL; percent-encode what is special"),
        (
            "http://u:sE/cret@proxy.test:80",
            "is not a URL; percent-encode what is special",
        ),
        ("http://[::1", "is not a URL; percent-encode what is special"),
        ("http://proxy.test/sEcret", "must end with host and port"),
        ("http://sEcret:sEcret@a..b:1", "names a host that cannot be looked up"),
        (f"socks5h://{'sEcret' * 11}", "names a host that cannot be looked up"),
        ("http://proxy.test?sEcret", "must end with host and port"),
        ("http://u:sEcret%FF@proxy.test", "has a user name or password that is not"),
        ("http://u%3Ax:sEcret@proxy.test", "has a user name with a colon"),
        ("socks5://sEcret@proxy.test", "must have a user name and a password of 1 to"),
        ("socks5://u:sEcr%C3%A9t@proxy.test", "must have a user name and a password"),
        (f"socks5://u:{'sEcret' * 50}@proxy.test", "must have a user name and a"),
    ],
)
def test_what_may_not_be_given(text: str, problem: str) -> None:
    found = check_proxy(text)
    assert found is not None
    assert found.startswith(problem)
    assert "sEcret" not in found
    assert "\n" not in found


@pytest.mark.parametrize("missing", ["python_socks", "socks"])
@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_socks_without_the_extra(
    missing: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        proxies.importlib.util,  # type: ignore[attr-defined]
        "find_spec",
        lambda name: None if name == missing else find(name),
    )
    words = "SOCKS needs an extra; run pip install 'tap-websocket[socks]'"
    assert check_proxy("socks5://proxy.test") == words
    assert check_proxy("http://proxy.test") is None
    monkeypatch.setenv("ALL_PROXY", "socks5h://u:sEcret@proxy.test")
    proxy = proxy_for("ws://feed.test/", None)
    with pytest.raises(BadHandshake) as caught:
        connect(transport, "ws://feed.test/", proxy=proxy)
    assert str(caught.value) == f"proxy: {words}"


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "ws://feed.test/", None),
        ({"http_proxy": "http://p:1"}, "ws://feed.test/", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "ws://feed.test/", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "wss://feed.test/", None),
        ({"https_proxy": "http://p:1"}, "wss://feed.test:9/a?b", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "ws://feed.test/", None),
        ({"all_proxy": "socks5://p:1"}, "wss://feed.test/", "socks5://p:1"),
        ({"ALL_PROXY": "socks5://p:1"}, "ws://feed.test/", "socks5://p:1"),
        (
            {"all_proxy": "socks5://p:1", "http_proxy": "http://q:1"},
            "ws://feed.test/",
            "http://q:1",
        ),
        ({"http_proxy": "p:1"}, "ws://feed.test/", "http://p:1"),
        ({"http_proxy": "u:s@p:1"}, "ws://feed.test/", "http://u:s@p:1"),
        ({"http_proxy": ""}, "ws://feed.test/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, "ws://feed.test/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "x,.test"}, "ws://feed.test/", None),
        ({"http_proxy": "http://p:1", "NO_PROXY": "feed.test"}, "ws://feed.test", None),
        (
            {"http_proxy": "http://p:1", "no_proxy": "other.test"},
            "ws://feed.test/",
            "http://p:1",
        ),
        (
            {"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"},
            "wss://10.1.2.3/",
            None,
        ),
        (
            {"https_proxy": "http://p:1", "no_proxy": "feed.test:443"},
            "wss://feed.test:443/",
            None,
        ),
    ],
)
def test_the_environment(
    environ: dict[str, str],
    url: str,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url, None) == expected
    assert proxy_for(url, "none") is None
    assert proxy_for(url, "http://given:1") == "http://given:1"


def test_user_info_is_secret_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = set(proxy_secrets("http://us%40er:pa%3Ass@proxy.test"))
    assert secrets == {"us%40er", "us@er", "pa%3Ass", "pa:ss", "dXNAZXI6cGE6c3M="}
    assert proxy_secrets("none") == ()
    assert proxy_secrets("http://proxy.test") == ()
    assert "sEcret" in proxy_secrets("http://user:sEcret@[proxy.test")
    assert proxy_secrets(None) == ()
    monkeypatch.setenv("http_proxy", "user1:sEcret1@proxy.test:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://user2:sEcret2@proxy.test:1")
    assert {"user1", "sEcret1", "user2", "sEcret2"} <= set(proxy_secrets(None))
