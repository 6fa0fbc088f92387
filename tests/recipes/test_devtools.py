"""The recipe for the Chrome DevTools protocol, against Node.js."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.recipes import located
from tests.support.node import NodeServer
from tests.support.receive import receive
from tests.support.recipes import Outcome, recipe, with_changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page

RECIPE = recipe("devtools", "The console")
SCRIPT = Path(__file__).parent / "servers" / "console.js"


@pytest.fixture
def program() -> Iterator[NodeServer]:
    with NodeServer(SCRIPT, "--inspect=127.0.0.1:{port}") as server:
        yield server


@pytest.mark.usefixtures("each_transport")
def test_table(program: NodeServer) -> None:
    program.tell('["order", 42]')
    program.wait_for("order 42")

    def restart() -> None:
        # It goes only when the tap has let it go.
        program.tell("exit")
        program.wait()
        program.start()
        program.tell('["delivered"]')

    pages: list[Page] = []

    def next_step(page: Page, _: Bridge) -> None:
        assert page.count == 1
        pages.append(page)
        if len(pages) == 1:
            program.tell("reopen", '["shipped"]')
        elif len(pages) == 2:
            restart()

    settings = {"max_duration": 60, "max_messages": 3, "reconnect_backoff": 0.1}
    run = receive(each=next_step, **located(RECIPE.config, program.port) | settings)
    assert run.error is None
    Outcome(0, None, {"console": run.records}, []).gives(RECIPE.tables)
    # What was printed before is sent again on each connection to the same program.
    assert run.counts.deduplicated == 1
    times = [record["timestamp"] for record in run.records]
    assert times == sorted(set(times))


def test_a_command_that_is_not_known(program: NodeServer) -> None:
    (item,) = RECIPE.config["subscribe_messages"]
    message = {"id": "{$counter}", "method": "Log.enable"}
    config = with_changes(RECIPE, subscribe_messages=[item | {"message": message}])
    run = receive(**located(config.config, program.port) | {"max_duration": 60})
    assert str(run.error) in RECIPE.failures
