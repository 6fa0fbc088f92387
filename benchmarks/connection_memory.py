"""The memory that a connection takes beyond the first, with TLS and without."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from benchmarks.cases import allow_files
from benchmarks.contestants import Job, tap_command
from benchmarks.processes import measure, serving
from benchmarks.sender import trade_ids
from benchmarks.throughput import trades_in

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure_connection_memory"]

_EACH = 10
"""Messages on each connection."""

_TRANSPORTS = ("picows", "websockets")


def measure_connection_memory(
    clients: int,
    *,
    rounds: int,
    say: Callable[[str], None],
) -> dict[tuple[str, str], float]:
    """Return scheme and transport to bytes a connection, medians of the rounds.

    Args:
        clients: Number of connections; one is measured beside it.
        rounds: Number of rounds.
        say: Told about each run.

    Raises:
        FailedError: When a run fails.
    """
    allow_files()
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        authority, identity = directory / "ca.pem", directory / "identity.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(authority))
        ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            str(identity),
        )
        for _ in range(rounds):
            for scheme in ("ws", "wss"):
                for transport in _TRANSPORTS:
                    one, many = (
                        _peak(number, transport, scheme, authority, identity)
                        for number in (1, clients)
                    )
                    each = (many - one) / max(1, clients - 1)
                    found.setdefault((scheme, transport), []).append(each)
                    say(
                        f"{clients} connections, {scheme}, {transport}: "
                        f"{each / 1024:.1f} KiB each",
                    )
    return {key: statistics.median(values) for key, values in found.items()}


def _peak(
    clients: int, transport: str, scheme: str, authority: Path, identity: Path
) -> int:
    """Return the peak memory of a run with this many connections, in bytes.

    Raises:
        ValueError: When a record is missing.
    """
    secured: tuple[str, ...] = (str(identity),) if scheme == "wss" else ()
    with (
        serving("crowd", clients, _EACH, *secured) as server,
        tempfile.TemporaryDirectory() as name,
    ):
        url = server.url.replace("ws://127.0.0.1", f"{scheme}://localhost")
        job = Job(url, clients * _EACH, Path(name))
        command = tap_command(
            job,
            transport=transport,
            contexts=[{"context": str(number)} for number in range(clients)],
            connect_timeout=120,
            **({"tls": {"ca_file": str(authority)}} if secured else {}),
        )
        measured = measure(command, job.directory, output=job.output, stdout=job.output)
        ids = trades_in(job.output.read_bytes())
    if sorted(ids) != sorted(trade_ids(_EACH) * clients):
        msg = f"{clients} connections: {len(ids)} of {job.count} records were written"
        raise ValueError(msg)
    return measured.peak
