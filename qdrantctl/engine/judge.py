"""The heart: what one difference in one field means on this server. A truth table, no I/O."""

from __future__ import annotations

from typing import NamedTuple

from qdrantctl.model.field_rule import ABSENT, Effect, Json, Rule, same
from qdrantctl.model.server import Server, Version


class Verdict(NamedTuple):
    """An effect and its reason."""

    effect: Effect
    because: str = ""


SAME = Verdict(Effect.SAME)
FOREIGN = Verdict(Effect.KEPT)
"""Never asked for and never ours."""


def judge(
    rule: Rule, desired: Json, live: Json, recorded: Json, server: Server, *, owned: bool = False
) -> Verdict:
    """The verdict on one field.

    | desired             | live       | recorded | verdict                        |
    |---------------------|------------|----------|--------------------------------|
    | equal in meaning    | equal      | any      | SAME                           |
    | absent              | a value    | absent   | KEPT, unless `owned`           |
    | a value gated away  | other      | any      | REFUSED                        |
    | absent              | a value    | a value  | the rule's drop                |
    | a value             | absent     | any      | the rule's add                 |
    | a value             | other      | any      | the rule's change              |

    `owned` means that the manifest claims the field even where it says nothing.
    """
    if rule.write_only:
        live = recorded if recorded is not ABSENT else desired
    if equal(rule, desired, live):
        return SAME
    if desired is ABSENT and recorded is ABSENT and not owned:
        return FOREIGN
    if desired is not ABSENT and (reason := rule.closed(desired, server)):
        return Verdict(Effect.REFUSED, reason)
    if desired is ABSENT:
        return _drop(rule, server)
    if live is ABSENT:
        return Verdict(*_keyed(rule, rule.add, server))
    return Verdict(rule.change, rule.because)


def equal(rule: Rule, one: Json, other: Json) -> bool:
    """Whether two values of a field mean the same to the server."""
    return same(rule.meaning(one), rule.meaning(other))


def _drop(rule: Rule, server: Server) -> Verdict:
    if rule.drop is Effect.KEPT:
        return Verdict(
            Effect.KEPT, "no longer managed; Qdrant cannot unset it, state a value to change it"
        )
    effect, because = _keyed(rule, rule.drop, server)
    in_place = effect is rule.drop
    return Verdict(effect, (rule.drop_because if in_place else because) or rule.because)


def _keyed(rule: Rule, effect: Effect, server: Server) -> tuple[Effect, str]:
    """The effect of adding or dropping, which for some keys depends on the server's version."""
    if not rule.in_place_since:
        return effect, rule.because
    if server.version < Version.parse(rule.in_place_since):
        return Effect.REPLACE, rule.because
    return effect, ""
