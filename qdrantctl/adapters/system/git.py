"""The git adapter: the files of a commit, and whether this checkout contains another commit.

Never fails: if git is missing or slow, or without a repository, the result is unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

GIT_SECONDS = 10.0
"""How long one git command may take."""
HEAD = "HEAD"
_CHECKED_OUT = ("symbolic-ref", "--quiet", "--short", HEAD)
"""The branch of the checkout, which may have no commit yet."""

_FULL_SHA = re.compile(r"[0-9a-f]{7,64}")
_TREE_ENTRY = ("100644", "100755")
_REPOSITORY_VARIABLES = frozenset(
    ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
     "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_PREFIX")
)  # fmt: skip
"""Git sets these for its hooks: with them it would use the hook's repository, not `root`'s."""


def run_git(
    root: Path, *arguments: str, environ: Mapping[str, str] | None = None, stdin: bytes = b""
) -> tuple[int, bytes] | None:
    """Exit code and output of git in `root`; None if it cannot be run."""
    import subprocess

    variables = os.environ if environ is None else environ
    clean = {name: value for name, value in variables.items() if name not in _REPOSITORY_VARIABLES}
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        result = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            env={**clean, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            input=stdin,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
        return result.returncode, result.stdout
    return None


def git_output(root: Path, environ: Mapping[str, str], *arguments: str) -> str:
    """The output of git; empty if it fails."""
    answer = run_git(root, *arguments, environ=environ)
    return answer[1].decode(errors="replace").strip() if answer and answer[0] == 0 else ""


def resolve_commit(root: Path, ref: str) -> str:
    """The full sha of a branch, tag or commit; empty where there is none."""
    if ref.startswith("-"):
        return ""
    answer = run_git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return answer[1].decode().strip() if answer and answer[0] == 0 else ""


def find_toplevel(folder: Path) -> Path | None:
    """The root of the repository that contains a folder, which may not exist yet; or None."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    answer = run_git(existing, "rev-parse", "--show-toplevel")
    return Path(os.fsdecode(answer[1]).rstrip("\n")) if answer and answer[0] == 0 else None


def is_repository(root: Path) -> bool:
    """Whether `root` lies in the work tree of a repository."""
    return run_git(root, "rev-parse", "--is-inside-work-tree") == (0, b"true\n")


def is_merging(root: Path) -> bool:
    """Whether a merge, a rebase or the like is in progress."""
    heads = ("MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")
    return any(resolve_commit(root, head) for head in heads)


def uncommitted_files(root: Path, patterns: Iterable[str], used: Iterable[str]) -> list[str] | None:
    """Files that differ from HEAD, by their path from `root`; None where git cannot tell.

    Below `patterns` (files, folders, globs relative to `root`): changed, added, removed and staged
    files. Also each of the files `used` that HEAD lacks, even if git ignores it.
    """
    if not is_repository(root):
        return None
    specs = [pattern if _is_plain(pattern) else f":(glob){pattern}" for pattern in patterns]
    status = run_git(
        root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all",
        "--", *specs,
    )  # fmt: skip
    tracked = run_git(root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", HEAD)
    prefix = run_git(root, "rev-parse", "--show-prefix")
    if status is None or status[0] != 0 or prefix is None or prefix[0] != 0:
        return None
    below = os.fsdecode(prefix[1]).rstrip("\n")
    committed = set(os.fsdecode(tracked[1]).split("\0")) if tracked and tracked[0] == 0 else set()
    names = {os.fsdecode(line[3:]) for line in status[1].split(b"\0") if line}
    names |= {name for file in used if (name := os.path.normpath(below + file)) not in committed}
    return sorted(os.path.relpath(name, below or ".") for name in names)


def _is_plain(pattern: str) -> bool:
    return not set("*?[") & set(pattern)


def read_committed_files(root: Path, folder: Path, ref: str = HEAD) -> Mapping[str, bytes] | None:
    """Every file below `folder` in a commit, by its path from there.

    None if git fails; empty if the branch has no commit yet.
    """
    if not is_repository(root):
        return None
    commit = resolve_commit(root, ref)
    if not commit:
        return {}
    below = os.path.relpath(folder, root).replace(os.sep, "/") + "/"
    listed = run_git(root, "ls-tree", "-r", "-z", commit, "--", below)
    if listed is None or listed[0] != 0:
        return None
    entries = (line.split(b"\t", 1) for line in listed[1].split(b"\0") if line)
    blob_ids = {
        name.decode(errors="replace").removeprefix(below): attributes.split()[2]
        for attributes, name in entries
        if attributes.split()[0].decode() in _TREE_ENTRY
    }
    contents = _read_blobs(root, list(blob_ids.values()))
    return None if contents is None else dict(zip(blob_ids, contents, strict=True))


def read_committed_text(root: Path, commit: str, name: str) -> str | None:
    """The text of a file in a commit, `name` being its path from `root`; None if it lacks it."""
    answer = run_git(root, "cat-file", "blob", f"{commit}:./{name}")
    return answer[1].decode(errors="replace") if answer and answer[0] == 0 else None


def has_commit(root: Path, commit: str) -> bool:
    """Whether the repository has a commit at all, so that HEAD can be compared with it."""
    return bool(_FULL_SHA.fullmatch(commit)) and bool(resolve_commit(root, commit))


def head_contains(root: Path, commit: str) -> bool | None:
    """Whether HEAD is `commit` or a descendant of it; None if that is unknown.

    A shallow clone has only the newest commits, so it can confirm that but not deny it.
    """
    if not _FULL_SHA.fullmatch(commit) or not is_repository(root):
        return None
    answer = run_git(root, "merge-base", "--is-ancestor", commit, HEAD)
    if answer is None:
        return None
    if answer[0] == 0:
        return True
    return (
        False if run_git(root, "rev-parse", "--is-shallow-repository") == (0, b"false\n") else None
    )


def _read_blobs(root: Path, ids: list[bytes]) -> list[bytes] | None:
    """The contents of objects, in their order."""
    answer = run_git(
        root, "cat-file", "--batch", stdin=b"".join(blob_id + b"\n" for blob_id in ids)
    )
    if answer is None or answer[0] != 0:
        return None
    result, rest = [], memoryview(answer[1])
    for _ in ids:
        head, _, _ = bytes(rest[:200]).partition(b"\n")
        size = int(head.split()[-1])
        start = len(head) + 1
        result.append(bytes(rest[start : start + size]))
        rest = rest[start + size + 1 :]
    return result


def find_default_branch(root: Path) -> str:
    """The branch that `origin` checks out, else `main` or `master`, else that of the checkout."""
    answer = run_git(root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    if answer and answer[0] == 0:
        return answer[1].decode(errors="replace").strip().removeprefix("origin/")
    names = git_output(root, os.environ, "for-each-ref", "--format=%(refname:short)", "refs/heads")
    usual = [name for name in ("main", "master") if name in names.split()]
    return usual[0] if usual else git_output(root, os.environ, *_CHECKED_OUT) or "main"


def merge_texts(base: str, ours: str, theirs: str) -> str | None:
    """Both changes of `base` in one text; None if they conflict, or git cannot be run."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="qdrantctl-") as folder:
        names = ("ours", "base", "theirs")
        for name, text in zip(names, (ours, base, theirs), strict=True):
            (Path(folder) / name).write_bytes(text.encode())
        answer = run_git(Path(folder), "merge-file", "-p", *names)
    return answer[1].decode() if answer and answer[0] == 0 else None
