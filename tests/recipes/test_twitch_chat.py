"""The recipe for Twitch chat: IRC lines, several in one message."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.mishaps import play_with_drops
from tests.support.recipes import PAGES, drop, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("twitch-chat", "Chat messages")
WELCOME, PING, FIRST, RECONNECT, SECOND = RECIPE.arrives


async def lines(peer: Peer, *texts: str) -> None:
    """Send lines in one message."""
    await say(peer, "".join(f"{text}\r\n" for text in texts))


async def welcomed(peer: Peer) -> None:
    capabilities = "twitch.tv/tags twitch.tv/commands"
    assert await peer.recv() == f"CAP REQ :{capabilities}"
    await lines(peer, f":tmi.twitch.tv CAP * ACK :{capabilities}")
    password = await peer.recv()
    assert await peer.recv() == "NICK your_account"
    if password != "PASS oauth:YOUR-ACCESS-TOKEN":
        await lines(peer, ":tmi.twitch.tv NOTICE * :Login authentication failed")
        await peer.wait()
    await asyncio.sleep(0.05)
    assert len(peer.received) == 3, "joined before the welcome"
    await lines(peer, WELCOME, ":tmi.twitch.tv 376 your_account :>")
    assert await peer.recv() == "JOIN #channel"


async def joined(peer: Peer) -> None:
    await welcomed(peer)
    await lines(peer, ":your_account!a@b.tmi.twitch.tv JOIN #channel")


async def script(peer: Peer) -> None:
    await joined(peer)
    if peer.number == 1:
        await lines(peer, PING, FIRST)
        assert await peer.recv() == "PONG :tmi.twitch.tv"
        await lines(peer, RECONNECT)
    elif peer.number == 2:
        await drop(peer)
        return
    else:
        await lines(peer, ":tmi.twitch.tv ROOMSTATE #channel", SECOND)
    await peer.wait()
    assert peer.close_code == 1000


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    process = tmp_path if apart else None
    run = play(RECIPE, script, process=process, max_messages=2, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


def test_a_tag_as_a_column_of_its_own() -> None:
    tags, tag = r"^@(?P<tags>\S+)", r"[@;]id=(?P<id>[^; ]+)\S*"
    page = (PAGES / "twitch-chat.md").read_text(encoding="utf-8")
    assert json.dumps(tag)[1:-1] in page
    pattern = RECIPE.config["message_pattern"].replace(tags, tag)
    message = FIRST.replace("id=b34", "reply-parent-msg-id=x;user-id=7;id=b34")

    async def script(peer: Peer) -> None:
        await joined(peer)
        await lines(peer, message)
        await peer.wait()

    run = play(with_changes(RECIPE, message_pattern=pattern), script, max_messages=1)
    (record,) = run.records["messages"]
    assert (record["id"], record["name"]) == ("b34ccfc7", "foo")


def test_a_bad_token(tmp_path: Path) -> None:
    placeholders = RECIPE.config["placeholders"] | {"token": "WRONG"}
    config = with_changes(RECIPE, placeholders=placeholders)
    run = play(config, joined, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "WRONG" not in run.logs


def test_no_welcome() -> None:
    async def script(peer: Peer) -> None:
        await peer.wait()
        assert len(peer.received) == 3

    run = play(RECIPE, script, reply_timeout=2, max_reconnect_attempts=0)
    assert run.error is not None
    assert "subscribe_messages[2]: no reply within 2 s (reply_timeout)" in run.error


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_joins() -> None:
    play_with_drops(RECIPE, joined, script, max_messages=2).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("notice", "text"),
    [
        ("msg_channel_suspended", "This channel does not exist or has been suspended."),
        ("msg_banned", "You are permanently banned from talking in channel."),
        ("tos_ban", "The community has closed channel channel."),
    ],
)
def test_a_channel_that_cannot_be_joined_ends_the_run(notice: str, text: str) -> None:
    line = f"@msg-id={notice} :tmi.twitch.tv NOTICE #channel :{text}"

    async def refuses(peer: Peer) -> None:
        await welcomed(peer)
        await lines(peer, line)
        await peer.wait()

    run = play(RECIPE, refuses)
    assert run.error is not None
    assert run.error.endswith(line)


@pytest.mark.usefixtures("each_transport")
def test_a_join_without_an_answer_is_a_drop() -> None:
    async def silent(peer: Peer) -> None:
        await welcomed(peer)
        await peer.wait()

    run = play(RECIPE, silent, reply_timeout=2, max_reconnect_attempts=0)
    assert run.error is not None
    assert "subscribe_messages[3]: no reply within 2 s (reply_timeout)" in run.error


@pytest.mark.usefixtures("each_transport")
def test_lines_of_another_kind_are_no_records() -> None:
    async def shows(peer: Peer) -> None:
        await joined(peer)
        notice = "@msg-id=slow_on :tmi.twitch.tv NOTICE #channel :Slow mode is on."
        await lines(peer, notice, "@x=y :tmi.twitch.tv SOMETHINGNEW #channel", FIRST)
        await lines(peer, SECOND)
        await peer.wait()

    play(RECIPE, shows, max_messages=2).gives(RECIPE.tables)
