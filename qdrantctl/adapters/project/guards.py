"""The guards of an environment, on disk or in a commit: protection, consents, removals, gates."""

from __future__ import annotations

import os
from dataclasses import field
from datetime import date
from pathlib import Path

from qdrantctl.adapters.project.environment import MergedEnvironment, merge_environment
from qdrantctl.adapters.project.project_file import ProjectFiles, load_project_files
from qdrantctl.adapters.system import git
from qdrantctl.model.address import Address
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.gates import Gates
from qdrantctl.model.server import UNKNOWN, Version

ALIAS_MIN_RATIO = 0.9
_NO_FILE = "apiVersion: qdrantctl/v1\nkind: Project\n"
"""A file that a commit lacks brings nothing that was reviewed."""


@frozen
class Guards:
    """What the project files state for the safety of an environment."""

    protected: bool = False
    consents: tuple[Consent, ...] = ()
    """Those that are valid today."""
    consents_from: str = ""
    """The branch, tag or commit whose consents count if the environment is protected."""
    removed: frozenset[Address] = frozenset()
    gates: Gates = field(default_factory=Gates)
    alias_min_ratio: float = ALIAS_MIN_RATIO
    notes: tuple[str, ...] = ()
    """About each expired consent."""


@frozen
class ReviewedGuards:
    """The guards in a commit: an edit that is not committed is not in them."""

    ref: str
    """HEAD, or the stated `consents_from`."""
    commit: str = ""
    """Its full sha; empty if there is none."""
    guards: Guards = field(default_factory=Guards)
    problem: str = ""
    """Why nothing could be read there; empty if it could."""


def read_guards(chain: ProjectFiles, merged: MergedEnvironment, today: date) -> Guards:
    """The guards that these files state for an environment."""
    consents, notes = _valid_consents(chain, merged.name, today)
    minimum, ratio = merged.value("min_server_version"), merged.value("alias_min_ratio")
    return Guards(
        protected=bool(merged.value("protected")),
        consents=consents,
        consents_from=next(
            (x.spec.consents_from for x in reversed(chain.layers) if x.spec.consents_from), ""
        ),
        removed=frozenset(r.parsed_address for layer in chain.layers for r in layer.spec.removed),
        gates=Gates(
            fail_on=frozenset(merged.value("fail_on") or ()),
            require=frozenset(merged.value("require") or ()),
            min_server_version=Version.parse(minimum) if minimum else UNKNOWN,
        ),
        alias_min_ratio=ALIAS_MIN_RATIO if ratio is None else ratio,
        notes=notes,
    )


def read_reviewed_guards(
    project_file: Path, environment: str, today: date, remembered_ref: str = ""
) -> ReviewedGuards:
    """The guards at HEAD; at `consents_from` if the ledger or the project file at HEAD states one.

    Never fails: without a commit, or with one that cannot be read, `problem` states why.
    """
    if remembered_ref:
        return _read_guards_at(remembered_ref, project_file, environment, today)
    head = _read_guards_at(git.HEAD, project_file, environment, today)
    ref = head.guards.consents_from
    return _read_guards_at(ref, project_file, environment, today) if ref else head


def _read_guards_at(ref: str, project_file: Path, environment: str, today: date) -> ReviewedGuards:
    root, commit = project_file.parent, git.resolve_commit(project_file.parent, ref)
    if not commit:
        return ReviewedGuards(ref, problem=_missing_commit_reason(root, ref))

    def read(path: Path) -> tuple[str, str]:
        name = os.path.relpath(path, root).replace(os.sep, "/")
        text = git.read_committed_text(root, commit, name)
        if text is None:
            return ("", f"is not in {ref}") if path == project_file else (_NO_FILE, "")
        return text, ""

    try:
        chain = load_project_files(project_file, read)
        guards = read_guards(chain, merge_environment(chain, environment), today)
    except ManifestError as error:
        why = error.violations[0].message if error.violations else error.what
        return ReviewedGuards(ref, commit, problem=f"{project_file.name} at {ref}: {why}")
    return ReviewedGuards(ref, commit, guards)


def _missing_commit_reason(root: Path, ref: str) -> str:
    answer = git.run_git(root, "rev-parse", "--is-inside-work-tree")
    if answer is None:
        return "git cannot be run here"
    if answer != (0, b"true\n"):
        return "the project is not in a git repository that git can read"
    if ref == git.HEAD:
        return "the git repository has no commit yet"
    return f"git has no {ref} here; fetch it"


def _valid_consents(
    chain: ProjectFiles, environment: str, today: date
) -> tuple[tuple[Consent, ...], tuple[str, ...]]:
    """The valid consents, and a note for each expired one."""
    consents: list[Consent] = []
    notes: list[str] = []
    for layer in chain.layers:
        for position, entry in enumerate(layer.spec.consents):
            if entry.environments is not None and environment not in entry.environments:
                continue
            place = layer.locate(("spec", "consents", position))
            if entry.is_valid(today):
                consents.append(Consent(entry.verb, entry.pattern, place))
            else:
                description = f"the consent to {entry.verb} {entry.pattern} ({place})"
                notes.append(f"{description} expired after {entry.until}; remove it")
    return tuple(consents), tuple(notes)
