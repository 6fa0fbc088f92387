"""The notes of a release are its section of the changelog."""

from __future__ import annotations

import pytest

from scripts.release_notes import NotesError, main, notes, version

CHANGELOG = """# Changelog

## [Unreleased]

## [1.1.0] - 2026-02-01

### Added

- A setting.

## [1.0.1] - 2026-01-02

## [1.0.0] - 2026-01-01

The first.

[1.0.0]: https://example.com
"""


def test_a_version_has_its_own_section() -> None:
    assert notes("v1.1.0", CHANGELOG, "1.1.0") == "### Added\n\n- A setting.\n"


def test_the_links_at_the_end_are_no_notes() -> None:
    assert notes("v1.0.0", CHANGELOG, "1.0.0") == "The first.\n"


@pytest.mark.parametrize(
    ("tag", "package", "words"),
    [
        ("v1.1.0", "1.0.0", "expected v1.0.0"),
        ("1.1.0", "1.1.0", "expected v1.1.0"),
        ("v1.0.1", "1.0.1", "empty"),
        ("v2.0.0", "2.0.0", "no section"),
        ("v1.1", "1.1", "no section"),
    ],
)
def test_what_does_not_fit_is_an_error(tag: str, package: str, words: str) -> None:
    with pytest.raises(NotesError, match=words):
        notes(tag, CHANGELOG, package)


def test_a_wrong_tag_fails_the_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["v0"]) == 1
    assert f"expected v{version()}" in capsys.readouterr().err
