"""What is computed once for all resources that share a spec, and how they come to share one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import field
from typing import Generic, TypeVar

from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen

Computed = TypeVar("Computed")


@frozen
class SharedSpecs:
    """Gives resources whose specs are written alike one object, which callers must not change."""

    by_text: dict[str, Json] = field(default_factory=dict, compare=False, repr=False)

    def share(self, spec: Json) -> Json:
        """The first spec that was written like this one."""
        return self.by_text.setdefault(repr(spec), spec)


@frozen
class SpecMemo(Generic[Computed]):
    """Results by the identities of specs. The specs stay here, so that none is used again."""

    known: dict[Hashable, tuple[tuple[Json, ...], Computed]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def recall(
        self, specs: tuple[Json, ...], compute: Callable[[], Computed], *traits: Hashable
    ) -> Computed:
        """What `compute` returned for these specs and traits before; it is asked once."""
        key = (*map(id, specs), *traits)
        entry = self.known.get(key)
        if entry is None:
            entry = self.known[key] = specs, compute()
        return entry[1]
