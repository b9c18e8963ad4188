"""Access: who gets in, with what, and where keys are kept."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.audit.https import NO_GRPC
from qdrantctl.engine.audit.text import Check, failed, idle, met, passed, unseen
from qdrantctl.model.access_keys.generation import EVERYWHERE
from qdrantctl.model.audit.evidence import Evidence, Reply
from qdrantctl.model.audit.report import Verdict
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Inventory, Origin


def _rest(rule: str, reply: Reply, whoever: str) -> Iterator[Verdict]:
    """One request that must be turned away."""
    if reply.welcome:
        yield failed(rule, f"{whoever} may read, write and delete everything", reply)
    elif reply.turned_away:
        yield passed(rule, f"refused with {reply.code}", reply)
    else:
        what = f"answered {reply.code}" if reply.code else f"no answer ({reply.said})"
        yield unseen(rule, f"neither let in nor turned away: {what}", reply)


def _no_key(evidence: Evidence) -> Iterator[Verdict]:
    yield from _rest("QA201", met(evidence).no_key, "without a key everybody")


def _empty_key(evidence: Evidence) -> Iterator[Verdict]:
    yield from _rest("QA202", met(evidence).empty_key, "whoever sends an empty key")


def _wrong_key(evidence: Evidence) -> Iterator[Verdict]:
    yield from _rest("QA203", met(evidence).wrong_key, "whoever sends any key")


def _grpc(evidence: Evidence) -> Iterator[Verdict]:
    grpc = met(evidence).grpc
    if grpc is None:
        yield unseen("QA204", NO_GRPC)
        return
    tries = (grpc.no_key, grpc.empty_key, grpc.wrong_key)
    if let_in := [reply for reply in (*tries, grpc.plain) if reply.welcome]:
        yield failed("QA204", "gRPC lets in who has no key", *let_in)
    elif all(reply.turned_away for reply in tries):
        yield passed("QA204", "refused without a key, with an empty and with a random one", *tries)
    else:
        said = next((reply.said for reply in tries if not reply.turned_away), "")
        yield unseen("QA204", f"nothing on {grpc.address} answers gRPC: {said}", *tries)


def _read_only(evidence: Evidence) -> Iterator[Verdict]:
    seen = met(evidence)
    if seen.no_key.welcome:
        yield idle("QA205", "no key is asked for (QA201)")
    elif seen.read_only_key is not None:
        yield _may_change(seen.read_only_key)
    elif seen.own_key is not None and seen.own_key.code == "403" and evidence.inside:
        yield passed("QA205", "the key in use is one, and is refused", seen.own_key)
    else:
        yield unseen("QA205", "no read-only key was given; name it with --read-only-key-env NAME")


def _may_change(reply: Reply) -> Verdict:
    """Authorised requests are told that there is no such collection."""
    if reply.code == "403":
        return passed("QA205", "refused with 403", reply)
    if reply.code == "404":
        return failed("QA205", "the read-only key may change everything", reply)
    return unseen("QA205", f"the server answered {reply.code or reply.said}", reply)


def _tokens(evidence: Evidence) -> Iterator[Verdict]:
    reply = met(evidence).forged_token
    if reply.code == "403" and "InvalidSignature" in reply.said:
        yield passed("QA206", "a token with a wrong signature is refused as such", reply)
    elif reply.code == "401":
        yield failed("QA206", "tokens are not looked at, so every client has a whole key", reply)
    elif reply.welcome:
        yield failed("QA206", "even a token that nobody signed is let in", reply)
    else:
        yield unseen("QA206", f"the server answered {reply.code or reply.said}", reply)


def _least_privilege(evidence: Evidence) -> Iterator[Verdict]:
    """A key that manages is acknowledged in its manifest, or the manifest is refused."""
    keys = [r for r in evidence.desired.values() if r.address.kind == "access_key"]
    if not keys:
        yield idle("QA207", "no AccessKey manifest describes what keys may do")
    there = _names(evidence.desired)
    told = there | _names(evidence.inside.live) if evidence.inside else None
    for key in keys:
        for name, level in key.spec["access"].items():
            if name == EVERYWHERE and level != "m":
                what = "it reads the whole cluster, and may download snapshots of all of it"
            elif name != EVERYWHERE and told is not None and name not in told:
                what = f"it names {name!r}, which is neither on the cluster nor in the manifests"
            else:
                continue
            origin = key.place(("access", name))
            yield failed("QA207", what, subject=str(key.address), origin=origin or ABSENT)
            break
        else:
            subject = str(key.address)
            yield passed("QA207", "it may use no more than its manifest names", subject=subject)


def _names(world: Inventory) -> set[str]:
    """What a scope can name."""
    return {address.name for address in world if address.kind in ("collection", "alias")}


def _leaks(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.leaks is None:
        yield idle("QA208", "there is no project here whose files could hold one")
        return
    for leak in evidence.leaks:
        what = leak.what
        if leak.sink:
            what += f"; the file is a sink of {leak.sink}, and should be in .gitignore"
        yield failed("QA208", what, origin=Origin(file=leak.file, line=leak.line))
    if not evidence.leaks:
        count = "1 file" if evidence.files == 1 else f"{evidence.files} files"
        yield passed("QA208", f"nothing in {count} looks like one")


CHECKS: dict[str, Check] = {
    "QA201": _no_key,
    "QA202": _empty_key,
    "QA203": _wrong_key,
    "QA204": _grpc,
    "QA205": _read_only,
    "QA206": _tokens,
    "QA207": _least_privilege,
    "QA208": _leaks,
}
