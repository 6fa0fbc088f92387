"""The setting `message_rules`, compiled into a `RuleSet`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.errors import ConfigError
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.expressions.matchers import Matcher, compile_matcher
from tap_websocket.expressions.path import MISSING, Path
from tap_websocket.expressions.rule import NORMAL_CLOSURE, CompiledRule, Then
from tap_websocket.expressions.rules import RuleSet
from tap_websocket.expressions.templates import NAME, Template

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tap_websocket.jsontext import JsonValue

__all__ = ["Rule", "compile_rules"]


class Rule(msgspec.Struct, frozen=True):
    """One item of `message_rules`, as it was given.

    Attributes:
        match: The matcher; `MISSING` where it was left out.
        then: What the document is; None where it was left out, which is `emit`.
        reply: What is sent; `MISSING` where it was left out.
        capture: Name to JSONPath, or to a group of `message_pattern`, or None for what
            is forgotten; an object has it as its `path`, beside what is to be added.
        close_code: What the connection is closed with, where it is.
    """

    match: Any = MISSING
    then: Then | None = None
    reply: Any = MISSING
    capture: tuple[tuple[str, str | Mapping[str, Any] | None], ...] = ()
    close_code: int = NORMAL_CLOSURE


def compile_rules(
    rules: Iterable[Rule],
    declared: Collection[str] = (),
    groups: Collection[str] = (),
) -> RuleSet:
    """Compile `message_rules`.

    Args:
        rules: The items, in order.
        declared: The names that are placeholders in replies, besides captured ones.
        groups: The named groups of `message_pattern`.

    Raises:
        ConfigError: With one line for each problem.
    """
    rules = tuple(rules)
    captured = {name for rule in rules for name, _ in rule.capture}
    compiler = _Compiler({*declared, *captured}, groups)
    compiled = [compiler.rule(number, rule) for number, rule in enumerate(rules)]
    if compiler.problems:
        raise ConfigError(compiler.problems)
    shared = frozenset(
        name
        for rule in rules
        for name, given in rule.capture
        if isinstance(given, dict) and given.get("scope") == "group"
    )
    return RuleSet(compiled, shared)


class _Compiler:
    """Compiles rules, and collects what is wrong with them."""

    def __init__(self, declared: Collection[str], groups: Collection[str]) -> None:
        self.problems: list[str] = []
        self._declared = declared
        self._groups = groups

    def rule(self, number: int, rule: Rule) -> CompiledRule:
        where = f"message_rules[{number}]"
        paths, groups = self._captures(f"{where}.capture", rule.capture)
        only_captures = bool(rule.capture) and rule.reply is MISSING
        matcher = self._matcher(f"{where}.match", rule.match)
        if matcher is not None and matcher.kind == "frame" and rule.capture:
            self.problems.append(
                f"{where}.capture: nothing can be captured by $binary, which looks at "
                "no document; make it a rule of its own",
            )
        return CompiledRule(
            matcher=matcher,
            then=rule.then or (None if only_captures else "emit"),
            reply=self._reply(f"{where}.reply", rule.reply),
            paths=paths,
            groups=groups,
            added={
                name: source["add"]
                for name, source in rule.capture
                if isinstance(source, dict) and "add" in source
            },
            close_code=rule.close_code,
            forgets=tuple(name for name, source in rule.capture if source is None),
            where=where,
        )

    def _matcher(self, where: str, spec: JsonValue) -> Matcher | None:
        if spec is MISSING:
            return None
        try:
            return compile_matcher(spec)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _reply(self, where: str, message: JsonValue) -> Template | None:
        if message is MISSING:
            return None
        try:
            return Template(message, self._declared, groups=self._groups)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _captures(
        self,
        where: str,
        capture: tuple[tuple[str, str | Mapping[str, Any] | None], ...],
    ) -> tuple[tuple[tuple[str, Path], ...], tuple[tuple[str, str], ...]]:
        paths: list[tuple[str, Path]] = []
        groups: list[tuple[str, str]] = []
        for name, given in capture:
            if given is None:
                continue
            source = given if isinstance(given, str) else given["path"]
            if not NAME.fullmatch(name):
                self.problems.append(
                    f"{where}: {name!r} is not a valid name; use letters, digits and _",
                )
            elif source.startswith("$"):
                try:
                    paths.append((name, compile_path(source)))
                except ValueError as error:
                    self.problems.append(f"{where}.{name}: {error}")
            elif source in self._groups:
                groups.append((name, source))
            else:
                known = ", ".join(self._groups) or "none"
                self.problems.append(
                    f"{where}.{name}: {source!r} is neither a JSONPath, which begins "
                    f"with $, nor a group of message_pattern (groups: {known})",
                )
        return tuple(paths), tuple(groups)
