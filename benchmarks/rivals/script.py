"""The script that a user would write: `python script.py URL [flush]`."""

from __future__ import annotations

import asyncio
import json
import sys

from websockets.asyncio.client import connect

__all__: list[str] = []


async def main(url: str, *, flush: bool) -> None:
    """Print the messages of a feed."""
    async with connect(url, max_size=None) as feed:
        async for message in feed:
            print(json.dumps(json.loads(message)), flush=flush)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], flush="flush" in sys.argv))
