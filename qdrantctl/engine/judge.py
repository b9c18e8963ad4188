"""The verdict on one difference in one field on this server. A truth table, no I/O."""

from __future__ import annotations

from typing import NamedTuple

from qdrantctl.model.field_rule import ABSENT, Effect, FieldRule, Json, json_equal
from qdrantctl.model.server import Server, Version


class FieldVerdict(NamedTuple):
    """An effect and its reason."""

    effect: Effect
    because: str = ""


SAME = FieldVerdict(Effect.SAME)
FOREIGN = FieldVerdict(Effect.KEPT)
"""Neither desired nor recorded."""


def judge_field(
    rule: FieldRule,
    desired: Json,
    live: Json,
    recorded: Json,
    server: Server,
    *,
    key: str | int | None = None,
    owned: bool = False,
) -> FieldVerdict:
    """The verdict on one field.

    | desired             | live       | recorded | verdict                        |
    |---------------------|------------|----------|--------------------------------|
    | equal in meaning    | equal      | any      | SAME                           |
    | absent              | a value    | absent   | KEPT, unless `owned`           |
    | a value gated away  | other      | any      | REFUSED                        |
    | absent              | a value    | a value  | the rule's drop                |
    | a value             | absent     | any      | the rule's add                 |
    | a value             | other      | any      | the rule's change              |

    `key` is the key of the field in a map. `owned` means that the manifest claims the field even if
    it does not state it.
    """
    if rule.write_only:
        live = recorded if recorded is not ABSENT else desired
    if is_equal(rule, desired, live):
        return SAME
    if desired is ABSENT and recorded is ABSENT and not owned:
        return FOREIGN
    if desired is not ABSENT and (reason := rule.unsupported_reason(desired, server)):
        return FieldVerdict(Effect.REFUSED, reason)
    if desired is ABSENT:
        return _judge_drop(rule, key, server)
    if live is ABSENT:
        return FieldVerdict(*_judge_keyed(rule, rule.add, key, server))
    return FieldVerdict(rule.change, rule.because)


def is_equal(rule: FieldRule, first: Json, second: Json) -> bool:
    """Whether two values of a field mean the same to the server."""
    return json_equal(rule.normalize(first), rule.normalize(second))


def can_remake(rule: FieldRule, key: str | int, server: Server) -> bool:
    """Whether this server can drop a key of a map and add it again with other fixed parts."""
    since = rule.remade_since
    return bool(since) and key != rule.fixed_key and server.version >= Version.parse(since)


def _judge_drop(rule: FieldRule, key: str | int | None, server: Server) -> FieldVerdict:
    if rule.drop is Effect.KEPT:
        return FieldVerdict(
            Effect.KEPT, "no longer managed; Qdrant cannot unset it, state a value to change it"
        )
    effect, because = _judge_keyed(rule, rule.drop, key, server)
    in_place = effect is rule.drop
    if in_place and rule.drop_safe_since and server.version < Version.parse(rule.drop_safe_since):
        return FieldVerdict(Effect.REFUSED, rule.drop_unsafe_because)
    return FieldVerdict(effect, (rule.drop_because if in_place else because) or rule.because)


def _judge_keyed(
    rule: FieldRule, effect: Effect, key: str | int | None, server: Server
) -> tuple[Effect, str]:
    """The effect of adding or dropping, which for some keys depends on the server's version."""
    if not rule.in_place_since:
        return effect, rule.because
    if key is not None and key == rule.fixed_key:
        return Effect.REPLACE, rule.fixed_key_because
    if server.version < Version.parse(rule.in_place_since):
        return Effect.REPLACE, rule.because
    return effect, ""
