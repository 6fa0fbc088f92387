"""What the benchmark ran on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["describe"]

_LIBRARIES = ("singer-sdk", "websockets", "picows", "msgspec")
_PEERS = ("faucet", "bento")


def describe() -> str:
    """Return a sentence on the machine, and one on the versions."""
    libraries = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    versions = ", ".join(libraries + list(filter(None, map(_peer, _PEERS))))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, "
        f"{platform.system()} {_kernel()}, "
        f"{platform.python_implementation()} {platform.python_version()}; {versions}."
    )


def _kernel() -> str:
    """Return the first two numbers of the kernel's version."""
    return ".".join(platform.release().split(".")[:2])


def _processor() -> str:
    """Return the model of the CPU, as Linux says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return next(names, platform.machine())


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.0f} GiB"


def _peer(name: str) -> str | None:
    """Return the first line of what a peer says of its version."""
    if shutil.which(name) is None:
        return None
    done = subprocess.run(
        [name, "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout.split()
    version = next((word for word in words if word[:1].isdigit()), None)
    return f"{name} {version}" if version else name
