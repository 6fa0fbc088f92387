"""Values that hold secrets, which neither a log nor a traceback may show."""

from __future__ import annotations

import msgspec

__all__ = ["Confidential"]


class Confidential(msgspec.Struct, frozen=True):
    """A value whose fields do not show where it is printed."""

    def __repr__(self) -> str:
        """Return the name of the class alone."""
        return f"{type(self).__name__}(…)"
