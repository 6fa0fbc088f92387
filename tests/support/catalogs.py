"""Catalogs, as users edit what discovery prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["select"]


def select(
    directory: Path, catalog: bytes, *, stream: bool = True, **names: bool
) -> Path:
    """Write a catalog in which some properties are selected, and others are not.

    Args:
        directory: Takes the file `catalog.json`.
        catalog: What was discovered.
        stream: Whether the stream is selected.
        names: Whether each of these properties is; the others stay as they are.

    Returns:
        The path of the file.
    """
    document = json.loads(catalog)
    for entry in document["streams"][0]["metadata"]:
        name = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
        if name is None:
            entry["metadata"]["selected"] = stream
        elif name in names:
            entry["metadata"]["selected"] = names[name]
    path = directory / "catalog.json"
    path.write_text(json.dumps(document))
    return path
