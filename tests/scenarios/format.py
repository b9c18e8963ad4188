"""The format of scenario.yaml; README.md tells it in words. What it does not know is an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from ruamel.yaml import YAML

from qdrantctl.model.server import Version


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Run(Model):
    """A command line, without the name of the program."""

    run: str
    exit: int = 0
    stdout: str = ""
    stderr: str = ""
    """Names of golden files."""
    contains: list[str] = []
    lacks: list[str] = []
    """Texts that stand, or do not stand, in stdout or stderr."""
    document: Any = Field(None, alias="json")
    """Part of stdout, which is JSON."""
    silent: bool = False
    """stdout is empty."""
    repeats: bool = False
    """stdout is the same, byte for byte, as when this line was run last."""
    save: dict[str, str] = {}
    """Variables, each with a pattern whose group is found in stdout."""
    folder: str = Field("", alias="in")
    env: dict[str, str] = {}
    stdin: str | None = None


class Request(Model):
    """A request by hand, `METHOD path`."""

    request: str
    body: Any = None
    key: str = ""
    """API key or token, in place of the server's own."""
    status: int = 200
    contains: Any = None
    """Part of the answer's `result`."""


class Write(Model):
    """Files of the project with their text; null takes a file or a folder away."""

    write: dict[str, str | None]


class Edit(Model):
    """Text of a file of the project that is replaced: old and new."""

    edit: str
    replace: dict[str, str] = Field(min_length=1)


class Manifests(Model):
    """`manifests/` becomes this folder of the scenario."""

    manifests: str


class Git(Model):
    """A git command line in the project."""

    git: str
    exit: int = 0


class Server(Model):
    """Stop or start the server, which must be the scenario's own."""

    server: Literal["stop", "start"]


class Expect(Model):
    """What GET of a path gives: part of its `result`, or its status where that is not 200."""

    expect: dict[str, Any] = Field(min_length=1)


class File(Model):
    """A file of the project: its golden, texts in it, or that it is not there."""

    file: str
    golden: str = ""
    contains: list[str] = []
    lacks: list[str] = []
    exists: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> File:
        if not self.exists and (self.golden or self.contains or self.lacks):
            raise ValueError("a file that is not there has no text")
        return self


KINDS: dict[str, type[Model]] = {
    kind.__name__.lower(): kind
    for kind in (Run, Request, Write, Edit, Manifests, Git, Server, Expect, File)
}


def _kind(step: Any) -> str:
    kinds = [name for name in KINDS if name in step] if isinstance(step, dict) else []
    return kinds[0] if kinds else "unknown"


Step = Annotated[
    Annotated[Run, Tag("run")]
    | Annotated[Request, Tag("request")]
    | Annotated[Write, Tag("write")]
    | Annotated[Edit, Tag("edit")]
    | Annotated[Manifests, Tag("manifests")]
    | Annotated[Git, Tag("git")]
    | Annotated[Server, Tag("server")]
    | Annotated[Expect, Tag("expect")]
    | Annotated[File, Tag("file")],
    Discriminator(_kind),
]


class OwnServer(Model):
    """A server that is the scenario's alone."""

    cluster: bool = True
    api_key: str = ""
    environ: dict[str, str] = {}


class Bounds(Model):
    """The versions of the server on which a scenario holds, and why not on others."""

    since: str = ""
    until: str = ""
    reason: str


class Told(Model):
    """A scenario told in steps."""

    about: str
    versions: Bounds | None = None
    server: Literal["shared", "tokens", "none"] | OwnServer = "shared"
    steps: list[Step] = Field(min_length=1)


class Planned(Model):
    """A scenario of one plan and its apply: flags, exit codes, and what must be true `then`."""

    about: str
    versions: Bounds | None = None
    flags: list[str | int] = []
    plan: int = 0
    detailed: int = 2
    apply: int = 0
    drift: int = 0
    after: int = 0
    then: dict[str, Any] = {}

    def steps(self, folder: Path) -> Iterator[Model]:
        """The steps that it is short for."""
        flags = " ".join(f"'{flag}'" for flag in self.flags)
        by_hand = (folder / "cluster.yaml").exists()
        if (folder / "before").exists():
            yield Manifests(manifests="before")
            yield Run(run="apply --auto-approve")
            yield Manifests(manifests="manifests")
        if by_hand:
            for method, path, *body in read(folder / "cluster.yaml"):
                yield Request(request=f"{method} {path}", body=body[0] if body else None)
        document = f"plan --format json {flags}"
        yield Run(run=f"plan {flags}", exit=self.plan, stdout="plan.txt")
        yield Run(run=document, exit=self.plan, stdout="plan.json")
        yield Run(run=f"plan --detailed-exitcode {flags}", exit=self.detailed)
        yield Run(run=document, exit=self.plan, repeats=True)
        yield Run(run=f"apply --auto-approve {flags}", exit=self.apply)
        if self.apply == 0:
            moved = [] if by_hand else ['"what": "changed"']
            yield Run(run="drift --format json", exit=self.drift, lacks=moved)
        yield Run(run=f"plan --detailed-exitcode {flags}", exit=self.after)
        if self.then:
            yield Expect(expect=self.then)


class Scenario(Model):
    """One folder: what it needs, and what is done in it."""

    folder: Path
    versions: Bounds | None = None
    server: Literal["shared", "tokens", "none"] | OwnServer = "shared"
    steps: list[Any]

    @property
    def goldens(self) -> set[str]:
        """The files that hold what is expected."""
        words = ("stdout", "stderr", "golden")
        return {getattr(step, word, "") for step in self.steps for word in words} - {""}


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def load(folder: Path) -> Scenario:
    """The scenario of a folder; a ValueError says what is wrong with it."""
    text = read(folder / "scenario.yaml")
    if "steps" in text:
        told = Told.model_validate(text)
        steps = list(told.steps)
        return Scenario(folder=folder, versions=told.versions, server=told.server, steps=steps)
    planned = Planned.model_validate(text)
    steps = list(planned.steps(folder))
    return Scenario(folder=folder, versions=planned.versions, steps=steps)


def golden_file(folder: Path, name: str, version: Version) -> Path:
    """The golden for a version: `plan.txt`, or `plan@1.19.0.txt` from that version on."""
    path = folder / name
    later = {
        Version.parse(file.stem.partition("@")[2]): file
        for file in folder.glob(f"{path.stem}@*{path.suffix}")
    }
    return max(((at, file) for at, file in later.items() if at <= version), default=(None, path))[1]
