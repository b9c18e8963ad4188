"""The reports of the `keys` commands: keys and the rights of a token, but never a token."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict, Field

from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel


class ListedGeneration(LazyModel):
    """One generation of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    number: int = Field(description="Counts up from 1.")
    state: str = Field(
        description="not issued, valid, due, ending, expired or revoked; missing if the registry "
        "does not have it."
    )
    access: Mapping[str, str] = Field(description="Name -> level; `*` is the whole cluster.")
    issued: str = Field(default="", description="UTC; empty until its token is issued.")
    expires: str = Field(default="", description="UTC.")
    ends: str = Field(default="", description="UTC; when it is revoked for a newer one.")


class ListedKey(LazyModel):
    """One key of an owner."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(description="Its name in the manifest.")
    revocable: bool = Field(description="Whether the server looks up its tokens in a registry.")
    generations: tuple[ListedGeneration, ...] = Field(description="The newest last.")


@frozen
class KeyListing:
    """The keys of an owner, as `keys list` reports them."""

    owner: str
    keys: tuple[ListedKey, ...]
    ledger: bool
    """Whether the ledger exists; without it the last-applied state is unknown."""


class TokenProbe(LazyModel):
    """One action that was tried with a token."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(description="The name in the URL; `*` is the whole cluster.")
    action: str = Field(description="The action that was tried, without any effect.")
    claimed: bool = Field(description="Whether the token claims the right to it.")
    allowed: bool | None = Field(description="Whether the server allows it; null if unknown.")


class CheckedToken(LazyModel):
    """The claims of a token, and what the cluster allows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    subject: str = Field(description="Empty if it has none.")
    expires: str = Field(description="UTC; empty if it never expires.")
    revocable: bool = Field(description="Whether the server looks it up at each request.")
    access: Mapping[str, str] = Field(description="Name -> level; `*` is the whole cluster.")
    warnings: tuple[str, ...] = Field(default=(), description="What is wrong with its claims.")
    refused: str = Field(default="", description="Why the server rejects the token.")
    probes: tuple[TokenProbe, ...] = Field(default=(), description="The actions that were tried.")

    @property
    def is_sound(self) -> bool:
        """Whether the server accepts it, and allows exactly what it claims."""
        as_claimed = all(probe.allowed in (probe.claimed, None) for probe in self.probes)
        return not self.refused and as_claimed


class InvalidatedToken(LazyModel):
    """A token that a new API key invalidates."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    owner: str = Field(description="Project and environment.")
    name: str = Field(description="Name of the access key in its manifest.")
    generation: int = Field(description="Counts up from 1.")
    expires: str = Field(description="UTC.")


class ApiKeyRotation(LazyModel):
    """The effects of replacing a cluster's API key, and the steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: str = Field(description="Scheme, host and port of the server.")
    version: str = Field(description="Version of the server.")
    nodes: int = Field(description="Number of nodes to restart.")
    rolling: bool = Field(
        description="Whether the server accepts two keys at a time, so that no client is "
        "interrupted."
    )
    broken: tuple[InvalidatedToken, ...] = Field(description="Tokens that are invalid afterwards.")
    steps: tuple[str, ...] = Field(description="The steps, in this order.")
