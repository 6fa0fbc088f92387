"""`python -m tests.soak --minutes 10 --seed 7`: run, and sum it up."""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.plan import ENDS, LONG, make_plan
from tests.soak.run import MIB, Result, run

_LONG_SHARE = 0.3
_SHORT_SECONDS = (4.0, 6.0, 9.0, 14.0)


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", help="repeats a soak; drawn when not given")
    parser.add_argument("--first", type=int, default=0, help="begin with this run")
    parser.add_argument("--runs", type=int, help="stop after this many runs")
    parser.add_argument(
        "--transport",
        choices=("websockets", "picows"),
        help="both, in turn, when not given",
    )
    parser.add_argument("--end", choices=ENDS, help="of each run; any when not given")
    return parser.parse_args(arguments)


@dataclasses.dataclass
class Summary:
    """All runs, added up."""

    seed: str
    minutes: float
    results: list[Result] = dataclasses.field(default_factory=list)

    def add(self, number: int, result: Result) -> None:
        self.results.append(result)
        plan, usage = result.plan, result.usage
        memory, connections = usage.resident, result.feed.connections
        steps = (
            [memory[len(memory) * at // 6] / MIB for at in range(6)] if memory else []
        )
        print(
            f"run {number}: {plan.config['transport']}, {plan.form}, "
            f"{len(plan.feeds)} feeds, {result.seconds:.0f} s, "
            f"ended by {plan.end} (exit {result.code}): "
            f"sent {result.feed.total}, arrived {result.arrived}, "
            f"{len(connections)} connections "
            f"({sum(one.complete for one in connections)} held to equality), "
            f"memory {' '.join(f'{step:.0f}' for step in steps)} "
            f"peak {usage.peak / MIB:.0f} MiB, CPU {usage.cpu:.0f} s"
            + (f"; {'; '.join(result.problems)}" if result.problems else ""),
            flush=True,
        )

    @property
    def again(self) -> str:
        """The options that repeat the last run."""
        number = self.results[-1].plan.seed.rpartition("/")[2]
        return (
            f"--minutes {self.minutes:g} --seed {self.seed} --first {number} --runs 1"
        )

    @property
    def failed(self) -> bool:
        return any(result.problems for result in self.results)

    def show(self) -> None:
        faults: collections.Counter[str] = collections.Counter()
        ends: collections.Counter[str] = collections.Counter()
        for result in self.results:
            faults += result.feed.faults
            ends[result.plan.end] += 1
        connections = [
            one for result in self.results for one in result.feed.connections
        ]
        print(f"\nseed {self.seed}: {len(self.results)} runs")
        peak = max(result.usage.peak for result in self.results) / MIB
        print(f"messages sent      {sum(one.feed.total for one in self.results)}")
        print(f"records arrived    {sum(one.arrived for one in self.results)}")
        print(f"connections        {len(connections)}")
        print(f"  held to equality {sum(one.complete for one in connections)}")
        print(f"  given up         {sum(one.given_up for one in self.results)}")
        print(f"reconnects         {sum(one.reconnects for one in self.results)}")
        print(f"peak memory        {peak:.0f} MiB")
        print(f"CPU of the tap     {sum(one.usage.cpu for one in self.results):.0f} s")
        for title, counter in (("faults", faults), ("ends", ends)):
            print(f"{title}:")
            for name, count in sorted(counter.items()):
                print(f"  {count:6d}  {name}")
        if self.failed:
            print(f"\nFAILED; once more: make soak SOAK='{self.again}'")
        else:
            print("\nnothing lost, doubled, out of order or changed")


async def soak(given: argparse.Namespace) -> Summary:
    seed = given.seed or secrets.token_hex(4)
    print(f"seed {seed}", flush=True)
    transports = [given.transport] if given.transport else ["websockets", "picows"]
    summary = Summary(seed, given.minutes)
    until = time.monotonic() + given.minutes * 60
    number = given.first
    while time.monotonic() < until and given.runs != number - given.first:
        long = number == 0
        seconds = _SHORT_SECONDS[number % len(_SHORT_SECONDS)]
        plan = make_plan(
            f"{seed}/{number}",
            seconds=given.minutes * 60 * _LONG_SHARE if long else seconds,
            transports=transports,
            ends=[given.end] if given.end else LONG if long else ENDS,
        )
        with tempfile.TemporaryDirectory(prefix="tap-websocket-soak-") as directory:
            result = await run(plan, Path(directory))
        summary.add(number, result)
        number += 1
        if result.problems:
            break
    return summary


def main(arguments: list[str] | None = None) -> int:
    """Soak; return 1 when something was lost, doubled, out of order or changed."""
    summary = asyncio.run(soak(options(arguments)))
    summary.show()
    return 1 if summary.failed else 0


if __name__ == "__main__":
    sys.exit(main())
