"""Fields without end: names by the thousand, by the million, and of a megabyte."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.drift import sending
from tests.support.memory import MIB, peak_memory
from tests.support.servers import serve
from tests.support.tap import Run, start_tap

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

COLUMNS = 1000
BUFFER = 16 * MIB
MILLION = "{" + ",".join(f'"n{number:08d}":1' for number in range(1_000_000)) + "}"


def run(directory: Path, messages: list[str], **given: Any) -> tuple[Run, int, float]:
    """Run the tap; return also its peak memory in bytes and its seconds of CPU."""
    config = {"idle_timeout": 60, "buffer_bytes": BUFFER, **given}
    with (
        serve(sending(messages)) as server,
        start_tap(directory, {"url": server.url, **config}) as tap,
    ):
        assert tap.stdout is not None
        assert tap.stderr is not None
        peaks = [0]
        # `ru_maxrss` begins with the memory of the process that forked.
        watch = threading.Thread(target=_watch, args=(tap, peaks))
        watch.start()
        output = tap.stdout.read()
        errors = tap.stderr.read().decode()
        watch.join()
        _, status, usage = os.wait4(tap.pid, 0)
        tap.returncode = os.waitstatus_to_exitcode(status)
    assert tap.returncode == 0, errors
    seconds = usage.ru_utime + usage.ru_stime
    return Run(0, output, errors), max(peaks), seconds


def _watch(process: subprocess.Popen[bytes], peaks: list[int]) -> None:
    """Read the peak memory of a process in bytes, until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            peaks.append(peak_memory(process))
            time.sleep(0.01)


@pytest.mark.parametrize(
    "given",
    [{}, {"infer_nested": True}, {"schema_location": "columns.json"}],
    ids=str,
)
def test_a_new_name_in_each_message(given: dict[str, Any], tmp_path: Path) -> None:
    value = {f"k{n}": {f"m{m}": 1 for m in range(5)} for n in range(5)}
    messages = [json.dumps({f"name_{n:020d}": value}) for n in range(COLUMNS)]
    done, _, seconds = run(tmp_path, messages, **given)
    assert len(done.records) == COLUMNS
    assert not any("_rescued_data" in record for record in done.records)
    # A page has a thousand records, or those of a second.
    assert len(done.schemas) < 20
    assert len(done.schemas[-1]["properties"]) == COLUMNS + 1
    assert seconds < 20


@pytest.mark.parametrize("late", [False, True], ids=["sampled", "after the sample"])
def test_a_message_of_a_million_names(late: bool, tmp_path: Path) -> None:
    before = ['{"a":1}'] * 3 if late else []
    messages = [*before, MILLION, '{"a":2}']
    done, peak, seconds = run(tmp_path, messages, infer_messages=3)
    assert len(done.stdout.splitlines()) == len(messages) + len(done.schemas)
    assert len(done.schemas[-1]["properties"]) <= COLUMNS + 1
    assert peak < BUFFER + 100 * MIB + 16 * len(MILLION)
    assert seconds < 40
    assert len(done.stderr) < 100_000


def test_names_of_a_megabyte(tmp_path: Path) -> None:
    messages = [json.dumps({chr(97 + n % 26) * MIB + str(n): n}) for n in range(60)]
    done, _, _ = run(tmp_path, messages)
    assert len(done.schemas) == 1
    rescued = [json.loads(record["_rescued_data"]) for record in done.records]
    assert [next(iter(each.values())) for each in rescued] == list(range(60))
    assert len(done.stderr) < 100_000
    assert "40 more fields went to _rescued_data" in done.stderr


def test_an_end_comes_while_columns_come(tmp_path: Path) -> None:
    messages = [json.dumps({f"n{number}": {"a": 1}}) for number in range(100_000)]
    started = time.monotonic()
    done, _, _ = run(
        tmp_path,
        messages,
        max_duration=3,
        infer_nested=True,
        schema_location="columns.json",
    )
    assert time.monotonic() - started < 40
    assert done.records
