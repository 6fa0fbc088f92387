"""Who is measured, and how each is told to read a feed and write its records."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BENTO",
    "BY_NAME",
    "CONTESTANTS",
    "FAUCET",
    "PICOWS",
    "PICOWS_NULL",
    "PLAIN_TAP",
    "RIVALS",
    "RUST_JSON",
    "SCRIPT",
    "WEBSOCKETS",
    "Command",
    "Contestant",
    "Job",
    "missing",
    "tap_command",
]

Command = list[str | Path]

RIVALS = Path(__file__).resolve().parent / "rivals"
_MOST_SECONDS = 900


@dataclasses.dataclass(frozen=True)
class Job:
    """A feed to read to its end.

    Attributes:
        url: The feed.
        count: Number of its messages.
        directory: An empty directory for configs and output.
        message_format: What faucet has to take the messages for.
    """

    url: str
    count: int
    directory: Path
    message_format: str = "json"

    @property
    def output(self) -> Path:
        """The file that the records go to."""
        return self.directory / "output.jsonl"


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A program that reads a feed.

    Attributes:
        name: As it stands in the tables.
        command: Makes its command line.
        prints: Whether its stdout is the output; else it opens the file itself.
        nowhere: Whether its output goes into `/dev/null`.
        binary: What has to be on the PATH, if anything.
        slow: Whether a part of a long feed is enough to measure it (`starts.py`).
    """

    name: str
    command: Callable[[Job], Command]
    prints: bool = True
    nowhere: bool = False
    binary: str | None = None
    slow: bool = False

    @property
    def is_tap(self) -> bool:
        """Whether it is this tap."""
        return self.name.startswith("tap")

    @property
    def is_here(self) -> bool:
        """Whether its program is on the PATH."""
        return self.binary is None or shutil.which(self.binary) is not None


def tap_command(job: Job, *arguments: str | Path, **config: Any) -> Command:  # noqa: ANN401
    """Return a command line of this tap.

    Args:
        job: The feed.
        arguments: Of the interpreter: `-m tap_websocket`, if none are given.
        config: Settings of the tap.
    """
    path = job.directory / "config.json"
    given = {"url": job.url, "max_duration": _MOST_SECONDS, **config}
    path.write_text(json.dumps(given))
    return [sys.executable, *(arguments or ("-m", "tap_websocket")), "--config", path]


def _picows(job: Job) -> Command:
    return tap_command(job, transport="picows")


def _websockets(job: Job) -> Command:
    return tap_command(job, transport="websockets")


def _picows_sdk(job: Job) -> Command:
    return tap_command(job, RIVALS / "sdk_path.py", transport="picows")


def _websockets_sdk(job: Job) -> Command:
    return tap_command(job, RIVALS / "sdk_path.py", transport="websockets")


def _plain_tap(job: Job) -> Command:
    path = job.directory / "config.json"
    path.write_text(json.dumps({"url": job.url}))
    return [sys.executable, RIVALS / "plain_tap.py", "--config", path]


def _script(job: Job) -> Command:
    return [sys.executable, RIVALS / "script.py", job.url]


def _faucet(job: Job) -> Command:
    source = {
        "url": job.url,
        "message_format": job.message_format,
        "max_messages": job.count,
        "idle_timeout": 30,
    }
    pipeline = {
        "source": {"type": "websocket", "config": source},
        "sink": {"type": "file", "config": {"path": str(job.output)}},
    }
    path = job.directory / "faucet.yaml"
    path.write_text(json.dumps({"version": 1, "name": "ws", "pipeline": pipeline}))
    return ["faucet", "run", path]


def _bento(job: Job) -> Command:
    until = {
        "check": f'count("ws") >= {job.count}',
        "input": {"websocket": {"url": job.url}},
    }
    config = {
        "http": {"enabled": False},
        "logger": {"level": "WARN"},
        "input": {"read_until": until},
        "output": {"file": {"path": str(job.output), "codec": "lines"}},
    }
    path = job.directory / "bento.yaml"
    path.write_text(json.dumps(config))
    return ["bento", "-c", path]


def _rust(mode: str) -> Callable[[Job], Command]:
    return lambda job: ["rust-loop", job.url, job.output, mode]


SCRIPT = Contestant("a user's script", _script, slow=True)
PLAIN_TAP = Contestant("plain SDK tap", _plain_tap, slow=True)
PICOWS = Contestant("tap, picows", _picows)
PICOWS_NULL = Contestant("tap, picows, into /dev/null", _picows, nowhere=True)
WEBSOCKETS = Contestant("tap, websockets", _websockets)
FAUCET = Contestant("faucet", _faucet, prints=False, binary="faucet")
BENTO = Contestant("bento", _bento, prints=False, binary="bento", slow=True)
RUST_JSON = Contestant(
    "rust-loop json", _rust("json"), prints=False, binary="rust-loop"
)

CONTESTANTS = (
    PICOWS,
    FAUCET,
    RUST_JSON,
    WEBSOCKETS,
    SCRIPT,
    PICOWS_NULL,
    Contestant("tap, websockets, into /dev/null", _websockets, nowhere=True),
    Contestant("tap, picows, SDK path", _picows_sdk, slow=True),
    Contestant("tap, websockets, SDK path", _websockets_sdk, slow=True),
    BENTO,
    Contestant("rust-loop raw", _rust("raw"), prints=False, binary="rust-loop"),
    PLAIN_TAP,
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}


def missing() -> list[Contestant]:
    """Return those whose program is not on the PATH."""
    return [contestant for contestant in CONTESTANTS if not contestant.is_here]
