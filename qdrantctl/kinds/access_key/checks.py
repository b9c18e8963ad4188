"""Checks of access keys, and the rights that a change grants or withdraws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time

from qdrantctl.model.access_keys.generation import (
    EVERYWHERE,
    Generation,
    list_abilities,
    parse_generations,
)
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.field_rule import Effect, Json
from qdrantctl.model.kind import Context
from qdrantctl.model.lease import format_time
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.violation import Finding, Severity, Violation

_GRANTED_NOW = (Action.CREATE, Action.UPDATE, Action.ADOPT)
_LEAVING = (Action.DELETE, Action.FORGET)


def lint_access_key(resource: Resource, desired: Inventory) -> Iterator[Finding]:
    """Findings that need no server."""
    scope: Mapping[str, str] = resource.spec["access"]
    if scope.get(EVERYWHERE) == "m" and "manage" not in resource.declared.get("acknowledge", ()):
        yield Finding(
            "QC143",
            ("access",),
            "a key that manages may delete every collection, and give itself any other right",
            "Name collections instead, or state acknowledge: [manage].",
        )
    for name in scope:
        if name != EVERYWHERE and (reason := _explain_unusable(name)):
            hint = "Name each collection or alias as it is written in the URL."
            yield Finding("QC141", ("access", name), reason, hint)
    for name, alias in _unlisted_aliases(scope, desired):
        yield Finding("QC146", ("access", name), *_report_alias(name, alias), Severity.WARNING)


def _explain_unusable(name: str) -> str:
    if set(name) & set("*?"):
        return f"{name!r} is a literal name to Qdrant: there are no wildcards in tokens"
    if name.startswith(OWN_PREFIX):
        return f"{name!r} is reserved for qdrantctl: a holder with write access undoes revocations"
    return unsendable_reason(name)


def _unlisted_aliases(scope: Mapping[str, str], inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Collections of a scope that have an alias which the scope does not name."""
    for address, alias in inventory.items():
        if address.kind == "alias" and address.name not in scope:
            target = alias.spec["collection"]
            if target in scope:
                yield target, address.name


def _report_alias(name: str, alias: str) -> tuple[str, str]:
    return (
        f"applications may know {name} as {alias}, and this key is refused there",
        f"Name the alias {alias}: Qdrant compares names literally, and the key then follows it.",
    )


def check_access_key(change: Change, context: Context) -> Iterator[Violation]:
    """Findings that need this cluster."""
    desired = context.desired.get(change.parsed_address)
    live = context.live.get(change.parsed_address)
    if change.action in _LEAVING:
        if live is not None and not live.spec.get("revocable"):
            yield from _outliving_tokens(change, live)
        return
    if desired is None or change.action is Action.REFUSED:
        return
    yield from _unnamed_collections(change, desired, context)
    yield from _unstated_aliases(change, desired, context)
    if live is not None:
        yield from _report_wider_tokens(change, live, desired)
        yield from _check_lifetimes(change, live, context)
        yield from _report_other_names(change, live, context)
        yield from _unknown_generations(change, live, context)


def _unnamed_collections(
    change: Change, desired: Resource, context: Context
) -> Iterator[Violation]:
    for name in desired.spec["access"]:
        addresses = [Address(kind, name) for kind in ("collection", "alias")]
        existing = [a for a in addresses if a in context.live or a in context.desired]
        if name == EVERYWHERE or not all(address in context.deleted for address in existing):
            continue
        problem = (
            "which neither the manifests nor the cluster have; a collection created later by that "
            "name would be open to this key's holders"
        )
        hint = "Correct the name, or state the collection or alias."
        if holder := context.names.find_holder(name):
            problem = f"which is only the name on the cluster of a collection of {holder}"
            hint = f"Name {holder.name}: tokens get the names that it has on the cluster."
        severity = Severity.ERROR if change.action in _GRANTED_NOW else Severity.WARNING
        message = f"{change.address} names {name!r}, {problem}"
        yield _key_violation("QC145", change, message, hint, severity)


def _unstated_aliases(change: Change, desired: Resource, context: Context) -> Iterator[Violation]:
    """Aliases on the cluster that no manifest states; lint reports the stated ones."""
    scope: Mapping[str, str] = desired.spec["access"]
    for name in scope:
        target = context.live.get(Address("collection", name))
        for alias in target.facts.aliases if target else ():
            if alias not in scope and Address("alias", alias) not in context.desired:
                message, hint = _report_alias(name, alias)
                yield _key_violation("QC146", change, message, hint)


def _report_wider_tokens(change: Change, live: Resource, desired: Resource) -> Iterator[Violation]:
    """A narrower scope is written in the next token; existing tokens keep their scope."""
    valid = [
        generation.number
        for generation in parse_generations(live.facts.generations)
        if generation.id and not generation.revoked
    ]
    if valid and any(field.direction == "narrows" for field in change.fields):
        numbers, name = ", ".join(map(str, valid)), change.parsed_address.name
        yield _key_violation(
            "QC148",
            change,
            f"{change.address}: tokens of generation {numbers} keep their scope until "
            f"{desired.spec['grace']} after the next is issued",
            f"`qdrantctl keys revoke {name} --generation {valid[-1]}` ends one at once."
            if live.spec.get("revocable")
            else "They cannot be revoked.",
        )


def _check_lifetimes(change: Change, live: Resource, context: Context) -> Iterator[Violation]:
    """The lifetime of the tokens of a key: expired, due for rotation, revoked."""
    generations = parse_generations(live.facts.generations)
    if not generations:
        return
    now, newest, name = _end_of_day(context), generations[-1], change.parsed_address.name
    state, rotate = newest.state(now), f"qdrantctl keys rotate {name}"
    subject = f"{change.address}: generation {newest.number}"
    if state == "revoked":
        hint = f"Apply does not change that; `{rotate}` grants a new generation."
        yield _key_violation("QC148", change, f"{subject} was revoked", hint, Severity.NOTE)
    elif state == "not issued" and change.action is Action.NOOP:
        hint = f"`qdrantctl keys issue {name}` creates it."
        yield _key_violation("QC148", change, f"{subject} has no token yet", hint, Severity.NOTE)
    elif state == "expired":
        yield _key_violation(
            "QC148", change, f"{subject} expired on {_day_of(newest)}", f"Run `{rotate}`."
        )
    elif state == "due":
        message = f"{subject} expires on {_day_of(newest)}: its rotation is due"
        yield _key_violation(
            "QC148", change, message, f"Run `{rotate}`, or `qdrantctl keys rotate --due`."
        )
    for previous in generations[:-1] if live.spec.get("revocable") else ():
        if previous.state(now) == "ending" and previous.is_over(now):
            message = (
                f"{change.address}: generation {previous.number} is past its grace and still valid"
            )
            yield _key_violation("QC148", change, message, "Run `qdrantctl keys rotate --due`.")


def _report_other_names(change: Change, live: Resource, context: Context) -> Iterator[Violation]:
    """Collections that have other names on the cluster than the newest token has."""
    generations = parse_generations(live.facts.generations)
    newest = generations[-1] if generations else None
    if newest is None or not newest.id or newest.revoked:
        return
    for name, others in context.names.list_other_names(newest.access).items():
        missing = [other for other in others if other not in newest.names_in_token(name)]
        if missing:
            yield _key_violation(
                "QC148",
                change,
                f"{change.address}: the token of generation {newest.number} does not open "
                f"{', '.join(missing)}, as collection/{name} is or will be called on the cluster",
                f"Run `qdrantctl keys rotate {change.parsed_address.name}`; or name an alias, "
                "which needs no other token after a replacement.",
            )


def _outliving_tokens(change: Change, live: Resource) -> Iterator[Violation]:
    for generation in parse_generations(live.facts.generations):
        if generation.expires:
            message = (
                f"{change.address}: its tokens stay valid until {_day_of(generation)}, and cannot "
                "be revoked"
            )
            hint = "Only a new API key ends them: docs/concepts/access-keys.md, Rotating the key."
            yield _key_violation("QC148", change, message, hint)


def _unknown_generations(change: Change, live: Resource, context: Context) -> Iterator[Violation]:
    """Generations that are in the registry and not in the ledger."""
    applied = context.recorded.get(change.parsed_address)
    if applied is None or applied.record is None or not live.spec.get("revocable"):
        return
    recorded_ids = {str(document.get("id") or "") for document in applied.record.generations}
    for generation in parse_generations(live.facts.generations):
        if generation.id and generation.id not in recorded_ids:
            yield _key_violation(
                "QC149",
                change,
                f"{change.address}: no ledger entry names generation {generation.number} of the "
                "registry",
                f"If it is not yours: qdrantctl keys revoke {change.parsed_address.name} "
                f"--generation {generation.number}.",
            )


def classify_scope(
    fields: tuple[FieldChange, ...],
    desired: Resource,
    live: Resource | None,
    applied: Resource | None,
) -> tuple[FieldChange, ...]:
    """The fields with the rights gained and lost, and revived generations to revoke again."""
    live_access: Mapping[str, str] = live.spec.get("access", {}) if live else {}
    classified = [
        _measure_field(field, desired.spec["access"], live_access)
        if field.path[0] == "access"
        else field
        for field in fields
    ]
    return (*classified, *_revived_generations(live, applied))


def _measure_field(
    field: FieldChange, desired_access: Mapping[str, str], live_access: Mapping[str, str]
) -> FieldChange:
    if field.effect in (Effect.KEPT, Effect.REFUSED) or len(field.path) < 2:
        return field
    name = str(field.path[1])
    before, after = list_abilities(live_access, name), list_abilities(desired_access, name)
    gains = [ability for ability in after if ability not in before]
    loses = [ability for ability in before if ability not in after]
    if gains and desired_access.get(name) == "m":
        gains = ["everything on the cluster"]
    effects = [f"gains: {', '.join(gains)}"] if gains else []
    effects += [f"loses: {', '.join(loses)}"] if loses else []
    updates: dict[str, Json] = {"because": "; ".join(effects)}
    if gains or loses:
        updates["direction"] = "widens" if gains else "narrows"
    return field.model_copy(update=updates)


def _revived_generations(live: Resource | None, applied: Resource | None) -> Iterator[FieldChange]:
    entries = applied.record.generations if applied and applied.record else ()
    revoked = {str(d["id"]) for d in entries if d.get("revoked") and d.get("id")}
    for generation in parse_generations(live.facts.generations) if live else ():
        if generation.id in revoked and not generation.revoked:
            yield FieldChange(
                path=("generations", generation.number),
                recorded="revoked",
                live="valid",
                desired="revoked",
                effect=Effect.UPDATE,
                cause=Cause.EDIT,
                because="it was revoked and is back, as after a restore",
            )


def _key_violation(
    rule: str, change: Change, message: str, hint: str, severity: Severity = Severity.WARNING
) -> Violation:
    return Violation(
        rule=rule, severity=severity, address=change.address, message=message, hint=hint
    )


def _end_of_day(context: Context) -> datetime:
    """The end of today: a token that ends today counts as expired."""
    return datetime.combine(context.today, time.max, UTC)


def _day_of(generation: Generation) -> str:
    return format_time(generation.expires)[:10] if generation.expires else "?"
