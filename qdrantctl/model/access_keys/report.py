"""What the commands on keys tell: which there are, and what a token may do. Never the token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class ListedGeneration(BaseModel):
    """One generation of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(description="Counts up from 1.")
    state: str = Field(
        description="not issued, valid, due, ending, expired or revoked; missing where the "
        "registry does not have it."
    )
    access: Mapping[str, str] = Field(description="Name -> level; `*` is the whole cluster.")
    issued: str = Field(default="", description="UTC; empty until its token is issued.")
    expires: str = Field(default="", description="UTC.")
    ends: str = Field(default="", description="UTC; when it gives way to a newer one.")


class ListedKey(BaseModel):
    """One key of an owner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="As its manifest calls it.")
    revocable: bool = Field(description="Whether the server looks its tokens up.")
    generations: tuple[ListedGeneration, ...] = Field(description="The newest last.")


@dataclass(frozen=True, slots=True)
class KeyListing:
    """The keys of an owner, as `keys list` reports them."""

    owner: str
    keys: tuple[ListedKey, ...]
    ledger: bool
    """Whether there is a ledger; without one it is not known what was applied."""


class TokenProbe(BaseModel):
    """One thing that was tried with a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The name in the URL; `*` is the whole cluster.")
    action: str = Field(description="What was tried, harmlessly.")
    claimed: bool = Field(description="Whether the token says so.")
    allowed: bool | None = Field(description="Whether the server lets it; null where not known.")


class CheckedToken(BaseModel):
    """What a token claims, and what the cluster says to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str = Field(description="Empty where it has none.")
    expires: str = Field(description="UTC; empty where it never does.")
    revocable: bool = Field(description="Whether the server looks it up at each request.")
    access: Mapping[str, str] = Field(description="Name -> level; `*` is the whole cluster.")
    warnings: tuple[str, ...] = Field(default=(), description="What is wrong with its claims.")
    refused: str = Field(default="", description="Why the server does not take it at all.")
    probes: tuple[TokenProbe, ...] = Field(default=(), description="What was tried.")

    @property
    def is_sound(self) -> bool:
        """Whether it is taken, and may what it claims."""
        as_claimed = all(probe.allowed in (probe.claimed, None) for probe in self.probes)
        return not self.refused and as_claimed


class InvalidatedToken(BaseModel):
    """A token that a new API key breaks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str = Field(description="Project and environment.")
    name: str = Field(description="The key, as its manifest calls it.")
    generation: int = Field(description="Counts up from 1.")
    expires: str = Field(description="UTC.")


class ApiKeyRotation(BaseModel):
    """What replacing a cluster's API key means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="Scheme, host and port of the server.")
    version: str = Field(description="Its version.")
    nodes: int = Field(description="How many there are to restart.")
    rolling: bool = Field(
        description="Whether it accepts two keys at a time, so that no client is interrupted."
    )
    broken: tuple[InvalidatedToken, ...] = Field(description="Tokens that are refused afterwards.")
    steps: tuple[str, ...] = Field(description="What to do, in this order.")
