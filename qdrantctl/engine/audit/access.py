"""Access: which keys the server accepts, what they allow, and where they are stored."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.audit.https import NO_GRPC
from qdrantctl.engine.audit.text import (
    Check,
    fail_verdict,
    get_exposure,
    not_applicable,
    not_visible,
    pass_verdict,
)
from qdrantctl.model.access_keys.generation import EVERYWHERE
from qdrantctl.model.audit.evidence import Evidence, ProbeResult
from qdrantctl.model.audit.report import Verdict
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Inventory, Origin


def _judge_rest_access(rule: str, reply: ProbeResult, caller: str) -> Iterator[Verdict]:
    """One request that the server must refuse."""
    if reply.is_granted:
        yield fail_verdict(rule, f"{caller} may read, write and delete everything", reply)
    elif reply.is_refused:
        yield pass_verdict(rule, f"refused with {reply.code}", reply)
    else:
        answer = f"answered {reply.code}" if reply.code else f"no answer ({reply.said})"
        yield not_visible(rule, f"neither accepted nor refused: {answer}", reply)


def _judge_no_key(evidence: Evidence) -> Iterator[Verdict]:
    yield from _judge_rest_access("QA201", get_exposure(evidence).no_key, "a caller without a key")


def _judge_empty_key(evidence: Evidence) -> Iterator[Verdict]:
    yield from _judge_rest_access(
        "QA202", get_exposure(evidence).empty_key, "a caller with an empty key"
    )


def _judge_wrong_key(evidence: Evidence) -> Iterator[Verdict]:
    yield from _judge_rest_access(
        "QA203", get_exposure(evidence).wrong_key, "a caller with any key"
    )


def _judge_grpc_access(evidence: Evidence) -> Iterator[Verdict]:
    grpc = get_exposure(evidence).grpc
    if grpc is None:
        yield not_visible("QA204", NO_GRPC)
        return
    replies = (grpc.no_key, grpc.empty_key, grpc.wrong_key)
    if let_in := [reply for reply in (*replies, grpc.plain) if reply.is_granted]:
        yield fail_verdict("QA204", "gRPC accepts requests without a valid key", *let_in)
    elif all(reply.is_refused for reply in replies):
        yield pass_verdict(
            "QA204", "refused without a key, with an empty and with a random one", *replies
        )
    else:
        message = next((reply.said for reply in replies if not reply.is_refused), "")
        yield not_visible("QA204", f"nothing on {grpc.address} answers gRPC: {message}", *replies)


def _judge_read_only_key(evidence: Evidence) -> Iterator[Verdict]:
    exposure = get_exposure(evidence)
    if exposure.no_key.is_granted:
        yield not_applicable("QA205", "the server requires no key (QA201)")
    elif exposure.read_only_key is not None:
        yield _allows_change(exposure.read_only_key)
    elif exposure.own_key is not None and exposure.own_key.code == "403" and evidence.inside:
        yield pass_verdict(
            "QA205", "the key in use is read-only, and the change is refused", exposure.own_key
        )
    else:
        yield not_visible(
            "QA205", "no read-only key was given; name it with --read-only-key-env NAME"
        )


def _allows_change(reply: ProbeResult) -> Verdict:
    """The server answers an authorised request with 404: the collection does not exist."""
    if reply.code == "403":
        return pass_verdict("QA205", "refused with 403", reply)
    if reply.code == "404":
        return fail_verdict("QA205", "the read-only key may change everything", reply)
    return not_visible("QA205", f"the server answered {reply.code or reply.said}", reply)


def _judge_tokens(evidence: Evidence) -> Iterator[Verdict]:
    reply = get_exposure(evidence).forged_token
    if reply.code == "403" and "InvalidSignature" in reply.said:
        yield pass_verdict("QA206", "a token with a wrong signature is refused as such", reply)
    elif reply.code == "401":
        yield fail_verdict(
            "QA206", "tokens are not checked, so every client holds a full API key", reply
        )
    elif reply.is_granted:
        yield fail_verdict("QA206", "even an unsigned token is accepted", reply)
    else:
        yield not_visible("QA206", f"the server answered {reply.code or reply.said}", reply)


def _judge_least_privilege(evidence: Evidence) -> Iterator[Verdict]:
    """A key with the right to manage is acknowledged in its manifest, or lint refuses it."""
    keys = [r for r in evidence.desired.values() if r.address.kind == "access_key"]
    if not keys:
        yield not_applicable("QA207", "no AccessKey manifest describes what keys may do")
    stated_names = _scope_names(evidence.desired)
    known_names = stated_names | _scope_names(evidence.inside.live) if evidence.inside else None
    for key in keys:
        for name, level in key.spec["access"].items():
            if name == EVERYWHERE and level != "m":
                problem = "it reads the whole cluster, and may download snapshots of all of it"
            elif name != EVERYWHERE and known_names is not None and name not in known_names:
                problem = f"it names {name!r}, which is neither on the cluster nor in the manifests"
            else:
                continue
            origin = key.origin_of(("access", name))
            yield fail_verdict("QA207", problem, subject=str(key.address), origin=origin or ABSENT)
            break
        else:
            subject = str(key.address)
            yield pass_verdict(
                "QA207", "it may use no more than its manifest names", subject=subject
            )


def _scope_names(inventory: Inventory) -> set[str]:
    """The names that a scope can contain."""
    return {address.name for address in inventory if address.kind in ("collection", "alias")}


def _judge_leaks(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.leaks is None:
        yield not_applicable("QA208", "there is no project whose files could contain a key")
        return
    for leak in evidence.leaks:
        description = leak.what
        if leak.sink:
            description += f"; the file is a sink of {leak.sink}, and should be in .gitignore"
        yield fail_verdict("QA208", description, origin=Origin(file=leak.file, line=leak.line))
    if not evidence.leaks:
        count = "1 file" if evidence.files == 1 else f"{evidence.files} files"
        yield pass_verdict("QA208", f"nothing in {count} looks like a key")


ACCESS_CHECKS: dict[str, Check] = {
    "QA201": _judge_no_key,
    "QA202": _judge_empty_key,
    "QA203": _judge_wrong_key,
    "QA204": _judge_grpc_access,
    "QA205": _judge_read_only_key,
    "QA206": _judge_tokens,
    "QA207": _judge_least_privilege,
    "QA208": _judge_leaks,
}
