"""Batch files on S3, as the extra `s3` promises."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from tap_websocket.demo import trades
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer


async def demo(peer: Peer) -> None:
    for number, trade in enumerate(trades(1)):
        if number == 500:
            break
        await peer.send(trade)
    await peer.close(1000)


def test_records_are_in_objects_of_the_bucket(bucket: str, tmp_path: Path) -> None:
    import s3fs  # noqa: PLC0415 - takes a second

    with serve(demo) as server:
        run = run_tap(
            tmp_path,
            {
                "url": server.url,
                "max_messages": 1000,
                "batch_config": {
                    "encoding": {"format": "jsonl", "compression": "gzip"},
                    "storage": {"root": f"{bucket}/feed", "prefix": "trades-"},
                    "batch_size": 300,
                },
            },
        )
    assert run.code == 0, run.stderr
    urls = [url for batch in run.of_type("BATCH") for url in batch["manifest"]]
    assert len(urls) == 2
    files = s3fs.S3FileSystem()
    counts = []
    sent = trades(1)
    for url in urls:
        assert url.startswith(f"{bucket}/feed/trades-")
        lines = gzip.decompress(files.cat_file(url)).splitlines()
        counts.append(len(lines))
        for line in lines:
            row = json.loads(line)
            assert row["trade_id"] == json.loads(next(sent))["trade_id"]
    assert counts == [300, 200]
