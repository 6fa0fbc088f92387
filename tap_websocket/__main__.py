"""The command `tap-websocket`, which is `python -m tap_websocket` too."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Imports make many objects and hardly any garbage: to look for it while they last
    costs a tenth of the start, and to look through them later costs the run.
    """
    gc.disable()
    from tap_websocket.tap import TapWebSocket  # noqa: PLC0415 - while gc rests

    gc.freeze()
    gc.enable()
    TapWebSocket.cli()


if __name__ == "__main__":
    main()
