"""Lines of text about access keys and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qdrantctl.model.access_keys.report import (
    ApiKeyRotation,
    CheckedToken,
    ListedGeneration,
    ListedKey,
    TokenProbe,
)
from qdrantctl.render.shared.escape import count_noun, escape_line


def key_list_lines(keys: Iterable[ListedKey], *, ledger: bool) -> list[str]:
    """A line for each generation."""
    head = ("KEY", "GENERATION", "STATE", "SCOPE", "ISSUED", "EXPIRES", "REVOCABLE")
    cells = [head, *(line for key in keys for line in _key_lines(key))]
    if len(cells) == 1:
        if not ledger:
            return ["There is no ledger on the cluster: nothing was applied, or it was deleted."]
        return ["No access key was applied yet."]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _key_lines(key: ListedKey) -> Iterator[tuple[str, ...]]:
    revocable = "yes" if key.revocable else "no"
    for generation in key.generations:
        yield (escape_line(key.name), str(generation.number), _generation_state(generation),
               format_scope(generation.access), generation.issued or "-",
               generation.expires or "-", revocable)  # fmt: skip
    if not key.generations:
        yield (escape_line(key.name), "-", "missing" if key.revocable else "not issued",
               "-", "-", "-",
               revocable)  # fmt: skip


def _generation_state(generation: ListedGeneration) -> str:
    return (
        f"{generation.state} at {generation.ends}"
        if generation.state == "ending"
        else generation.state
    )


def format_scope(access: Mapping[str, str]) -> str:
    """`products-live: r, events: rw`; `all: r` for the whole cluster."""
    grants = (
        f"{'all' if name == '*' else escape_line(name)}: {level}" for name, level in access.items()
    )
    return ", ".join(grants) or "nothing"


def token_check_lines(token: CheckedToken) -> Iterator[str]:
    """What a token claims, and a line for each probe."""
    yield f"subject    {escape_line(token.subject) or 'none'}"
    yield f"scope      {format_scope(token.access)}"
    yield f"expires    {token.expires or 'never'}"
    yield f"revocable  {'yes' if token.revocable else 'no'}"
    for warning in token.warnings:
        yield f"! {warning}"
    yield ""
    if token.refused:
        yield f"The cluster refuses the token: {token.refused}."
        return
    width = max((len(_probe_name(probe)) for probe in token.probes), default=0)
    longest = max((len(probe.action) for probe in token.probes), default=0)
    for probe in token.probes:
        yield f"{_probe_name(probe):<{width}}  {probe.action:<{longest}}  {_probe_answer(probe)}"
    names = [escape_line(name) for name in token.access if name != "*"]
    if names:
        yield ""
        allowed = ", ".join(names)
        yield f"Names are literal: under any name but {allowed} the token is refused with 403."


def rotation_lines(rotation: ApiKeyRotation) -> Iterator[str]:
    """What a new API key breaks, and what to do in which order."""
    nodes = count_noun(rotation.nodes, "node")
    server = f"{escape_line(rotation.url)} (Qdrant {escape_line(rotation.version)}, {nodes})"
    yield f"A new API key on {server} breaks:"
    yield "- every client that uses the old API key itself, qdrantctl among them"
    yield "- tokens that were signed without qdrantctl, which the ledger does not list"
    for token in rotation.broken:
        yield (
            f"- {escape_line(token.owner)} {escape_line(token.name)}, generation "
            f"{token.generation}, which "
            f"would be valid until {token.expires}"
        )
    yield ""
    if rotation.rolling:
        yield "This server accepts a second key, alt_api_key, so no client is interrupted:"
    else:
        yield (
            "This server accepts one key (two need 1.17), so clients are interrupted. "
            "The shortest way:"
        )
    for number, step in enumerate(rotation.steps, 1):
        yield f"{number}. {step}"


def _probe_name(probe: TokenProbe) -> str:
    return "the cluster" if probe.name == "*" else escape_line(probe.name)


def _probe_answer(probe: TokenProbe) -> str:
    if probe.allowed is None:
        return "unknown: it does not exist, or did not respond"
    word = "allowed" if probe.allowed else "refused"
    return word if probe.allowed is probe.claimed else f"{word}, though it claims otherwise"
