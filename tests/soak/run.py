"""One run of the tap: started, disturbed, ended, and held against the record."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math
import re
import signal
from typing import TYPE_CHECKING

from tests.soak.compare import differences
from tests.soak.feed import Feed
from tests.soak.plan import KILLED
from tests.soak.process import Pair, Usage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.soak.feed import Connection
    from tests.soak.plan import End, Plan

__all__ = ["Result", "run"]

MIB = 1024 * 1024
_SLACK = 100 * MIB
_GROWTH = 16 * MIB
_LONG_SECONDS = 20
_END_SECONDS = 60
_FAILED: tuple[End, ...] = (
    "a fatal close code",
    "a drop without reconnect",
    "the target dies",
)
_LAST_LINE = re.compile(
    r"The run ended after .* messages=(\d+) records=(\d+) .* reconnects=(\d+)",
)


@dataclasses.dataclass
class Result:
    """What a run came to.

    Attributes:
        plan: What it was.
        feed: The server's record.
        usage: What the tap used.
        code: The tap's exit code.
        seconds: How long it took.
        arrived: Records that the target has.
        reconnects: The tap's own count.
        given_up: Connections without a fault that the tap left. A Pong that stands
            behind much data can be late, so only without Pings is that a problem.
        problems: What is wrong, in words.
    """

    plan: Plan
    feed: Feed
    usage: Usage
    code: int | None
    seconds: float
    arrived: int = 0
    reconnects: int = 0
    given_up: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def killed(self) -> bool:
        """Whether the tap was not given the time to deliver everything."""
        return self.code != 0 and self.plan.end in KILLED


async def run(plan: Plan, directory: Path) -> Result:
    """Run the tap once, and compare."""
    loop = asyncio.get_running_loop()
    feed = Feed(plan)
    server = await asyncio.start_server(feed.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = {**plan.config, "url": f"ws://127.0.0.1:{port}/{{feed}}"}
    started = loop.time()
    pair = await Pair.start(directory, config, plan.seed)
    watching = asyncio.ensure_future(pair.watch())
    problems = feed.problems
    try:
        asked = asyncio.ensure_future(feed.asked.wait())
        await asyncio.wait([watching, asked], return_when="FIRST_COMPLETED")
        asked.cancel()
        await asyncio.wait([watching], timeout=plan.seconds)
        if watching.done() and plan.end not in {"max_messages", "max_duration"}:
            problems.append("the tap ended before its time")
        told = loop.time()
        await _end(plan, feed, pair)
        await asyncio.wait([watching], timeout=_END_SECONDS)
        if not watching.done():
            problems.append(f"the tap did not end within {_END_SECONDS} s")
    finally:
        await pair.close()
        errors = await watching
        server.close()
        await asyncio.sleep(0.1)  # for what the server still has to hear
        await feed.close()
    seconds = loop.time() - started
    result = Result(plan, feed, pair.usage, pair.tap.returncode, seconds)
    result.problems = problems
    if plan.end == "max_duration":
        over = started + plan.seconds
    elif plan.end in {"idle_timeout", "every feed is closed", "max_messages"}:
        over = math.inf
    else:
        over = told if feed.ended_at is None else feed.ended_at
    for connection in feed.connections:
        connection.complete = _is_complete(connection, result, over)
    result.given_up = sum(
        _was_given_up(connection, result, over) for connection in feed.connections
    )
    if result.given_up and "ping_interval" not in plan.config:
        problems.append(f"the tap gave up {result.given_up} connections for no reason")
    _compare(result, pair.output)
    _judge(result, errors)
    return result


async def _end(plan: Plan, feed: Feed, pair: Pair) -> None:
    """Bring about what ends the run."""
    end = plan.end
    feed.end()
    if end == "the target dies":
        pair.target.kill()
    elif end == "SIGINT":
        pair.signal(signal.SIGINT)
    elif end == "SIGINT and SIGTERM":
        pair.signal(signal.SIGINT)
        await asyncio.sleep(0.02)
        pair.signal(signal.SIGTERM)
    elif end == "SIGTERM":
        pair.signal(signal.SIGTERM)
    elif end == "SIGTERM twice":
        pair.signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        pair.signal(signal.SIGTERM)
    elif end == "SIGTERM with a stuck target":
        pair.target.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1)
        pair.signal(signal.SIGTERM)


def _is_complete(connection: Connection, result: Result, over: float) -> bool:
    """Return whether all messages of a connection must have arrived.

    They must where the tap answered the end of the connection, or was still
    listening to the last message, before its run was over (docs/behaviour.md,
    "Back-pressure").

    Args:
        connection: The connection.
        result: Of the run.
        over: The run was not over before this time (the loop's).
    """
    if result.killed:
        return False
    if connection.quiet:
        return result.plan.end == "idle_timeout"
    if connection.proven is None:
        return False
    if connection.last:
        return True
    most = result.plan.config.get("max_messages", math.inf)
    return connection.proven < over and connection.sent_by_then < most


def _was_given_up(connection: Connection, result: Result, over: float) -> bool:
    """Return whether the tap left a connection that had done nothing wrong."""
    if connection.left is None or connection.quiet:
        return False
    most = result.plan.config.get("max_messages", math.inf)
    return connection.left < over and connection.sent_by_then < most


def _compare(result: Result, output: Path) -> None:
    with output.open("rb") as lines:
        found = differences(
            result.feed.connections,
            lines,
            result.plan.form,
            cut=result.killed,
        )
        result.problems.extend(itertools.islice(found, 1))
    with output.open("rb") as lines:
        result.arrived = sum(b'"type":"RECORD"' in line[:40] for line in lines)


def _judge(result: Result, errors: str) -> None:
    """Look at the exit code, the last words and the memory."""
    plan, problems = result.plan, result.problems
    wanted = {0, 1} if plan.end in KILLED else {0}
    if plan.end in _FAILED:
        wanted = {1}
    if result.code not in wanted:
        problems.append(f"exit code {result.code}: {errors[-1000:]}")
    if "Traceback" in errors:
        problems.append(f"a traceback: {errors[-3000:]}")
    last = _LAST_LINE.search(errors)
    if last is not None:
        messages, records, result.reconnects = map(int, last.groups())
        if not result.killed and records != result.arrived:
            problems.append(f"{result.arrived} records arrived, the tap says {records}")
        if plan.end == "max_messages" and messages != plan.config["max_messages"]:
            problems.append(f"{messages} messages, not {plan.config['max_messages']}")
    elif not result.killed:
        problems.append(f"the tap does not say why it ended: {errors[-1000:]}")
    _judge_memory(result)


def _judge_memory(result: Result) -> None:
    usage, most = result.usage, result.plan.config["buffer_bytes"]
    if usage.peak > most + _SLACK:
        result.problems.append(
            f"the tap took {usage.peak / MIB:.0f} MiB of memory: more than "
            "buffer_bytes and 100 MiB",
        )
    half = len(usage.resident) // 2
    if result.seconds < _LONG_SECONDS or half == 0:
        return
    grown = max(usage.resident[half:]) - max(usage.resident[:half])
    if grown > most + _GROWTH:
        result.problems.append(
            f"memory grew by {grown / MIB:.0f} MiB in the second half"
        )
