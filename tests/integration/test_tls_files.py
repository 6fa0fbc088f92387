"""Files of `tls` that are replaced while a run goes on, and are gone for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.support.certificates import server_side
from tests.support.http import serve_http
from tests.support.raw import HELLO, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport", "no_proxy")

AUTHORITY = trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return path


def gone_at_first(ca_file: Path) -> Callable[[RawPeer], None]:
    """Return what takes the file away at the first connection, and puts it back."""
    aside = ca_file.with_suffix(".old")

    def act(peer: RawPeer) -> None:
        if peer.number == 1:
            ca_file.rename(aside)
        elif aside.exists():
            aside.rename(ca_file)

    return act


SETTINGS: dict[str, Any] = {
    "reconnect": True,
    "reconnect_backoff": 0.01,
    "max_messages": 1,
}


def test_a_connection_is_tried_again(
    ca_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    act = gone_at_first(ca_file)

    async def secure(peer: RawPeer) -> None:
        await peer.upgrade(HELLO)
        await peer.wait()

    with serve_raw(secure, tls=server_side(AUTHORITY, "localhost")) as feed:

        async def plain(peer: RawPeer) -> None:
            act(peer)
            await peer.status(307, f"Location: {feed.url}")

        with serve_raw(plain) as first:
            run = receive(url=first.url, tls={"ca_file": str(ca_file)}, **SETTINGS)
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]
    assert "tls.ca_file: the file" in caplog.text


def test_a_request_is_made_again(
    ca_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    act = gone_at_first(ca_file)

    async def plain(peer: RawPeer) -> None:
        await peer.read_request()
        act(peer)
        await peer.send(peer.answer())
        if peer.number > 1:
            # Behind the reply to the request: the run ends with the message.
            await peer.recv()
            await peer.send(HELLO)
        await peer.wait()

    with (
        serve_http(tls=server_side(AUTHORITY, "localhost")) as http,
        serve_raw(plain) as feed,
    ):
        run = receive(
            url=feed.url,
            tls={"ca_file": str(ca_file)},
            subscribe_messages=[{"request": {"url": http.url}}, "subscribe"],
            **SETTINGS,
        )
    assert run.error is None
    assert run.counts.reconnects == 1
    assert "tls.ca_file: the file" in caplog.text
