"""`qdrantctl import`: manifests from the live cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import output_options, project_options, show
from qdrantctl.cli.plan_options import clear, on_call, progress, settings

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.flows.importing.import_resources import Made, Wanted
    from qdrantctl.model.address import Address

LEFT = 2


@click.command("import")
@click.argument("addresses", metavar="[ADDRESS]…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that no other owner has.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="With --all: not these addresses.")
@click.option(
    "--out", metavar="DIR", help="Where to; - prints. Default: the first manifests folder."
)
@click.option("--force", is_flag=True, help="Write files anew that exist.")
@click.option("--update", is_flag=True, help="Into the manifests that state ADDRESS.")
@project_options
@output_options("text", "json")
def command(**words: Any) -> int:
    """Write manifests of what is on the cluster, which is only read.

    One file for each collection, with its aliases, into the project's first folder of manifests;
    server defaults are left out. What the manifests state already is left alone, files that exist
    too. The plan right after adopts, and changes nothing.

    With --update only what differs goes into the manifest that states ADDRESS; its comments, order
    and every other byte stay, and edits that were not applied yet. What a template writes, and
    what was edited and moved on the cluster as well, is told instead, with exit code 2.
    """
    from datetime import date

    from qdrantctl.flows.cluster.connect import door

    wanted = _checked(words)
    chosen = settings(words, need_server=True)
    telling = progress(words["verbose"])
    try:
        with door(chosen, on_call(words["verbose"])) as cluster:
            if words["update"]:
                from qdrantctl.flows.importing.update_manifests import updated

                made = updated(chosen, wanted, cluster, date.today(), telling)
            else:
                from qdrantctl.flows.importing.import_resources import imported

                asked = _wanted(words, chosen, wanted)
                made = imported(chosen, asked, cluster, date.today(), telling)
    finally:
        clear()
    return _done(made, words)


def _checked(words: dict[str, Any]) -> tuple[Address, ...]:
    """The addresses, before anything is asked. Raises UsageError."""
    from qdrantctl.kinds.catalog import BY_NAME
    from qdrantctl.model.address import OWN_PREFIX, Address, unsendable
    from qdrantctl.model.errors import UsageError

    found = []
    for text in words["addresses"]:
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if address.kind not in BY_NAME:
            raise UsageError(f"{text}: there is no kind {address.kind!r}",
                             hint=f"Known are {', '.join(BY_NAME)}.")  # fmt: skip
        if reason := unsendable(address.name):
            raise UsageError(f"{text!r}: {reason}")
        if address.name.startswith(OWN_PREFIX):
            raise UsageError(f"{text}: names that begin with {OWN_PREFIX} are the tool's own")
        found.append(address)
    _fit(words)
    return tuple(dict.fromkeys(found))


def _fit(words: dict[str, Any]) -> None:
    """Whether the flags make sense together. Raises UsageError."""
    from qdrantctl.model.errors import UsageError

    addresses, everything, out = words["addresses"], words["everything"], words["out"]
    if bool(addresses) == everything:
        raise UsageError(
            "name what to import: ADDRESS…, or --all",
            hint="Addresses are KIND/NAME, as in collection/products.",
        )
    if words["exclude"] and not everything:
        raise UsageError("--exclude goes with --all")
    for flag in ("everything", "out", "force"):
        if words["update"] and words[flag]:
            name = "all" if flag == "everything" else flag
            raise UsageError(
                f"--update goes without --{name}", hint="It takes addresses that manifests state."
            )
    if out and out.endswith((".yaml", ".yml")):
        raise UsageError(
            f"--out {out}: each collection has a file of its own, so this takes a folder",
            hint=f"For one file: --out - > {out}",
        )
    if out == "-" and words["output"] != "text":
        raise UsageError("--out - prints manifests, so there is no --format beside it")


def _wanted(words: dict[str, Any], chosen: Settings, addresses: tuple[Address, ...]) -> Wanted:
    from qdrantctl.flows.importing.import_resources import Wanted, target

    out = words["out"]
    folder = chosen.root if out == "-" else target(chosen) if out is None else _folder(words)
    return Wanted(folder, addresses, words["exclude"], words["force"], printed=out == "-")


def _folder(words: dict[str, Any]) -> Path:
    return Path(os.path.abspath(Path(words["directory"]) / words["out"]))  # noqa: PTH100


def _done(made: Made, words: dict[str, Any]) -> int:
    """Write the files, or print them, and tell what was done."""
    from qdrantctl.adapters.manifests import write as manifest_files
    from qdrantctl.render import json, text

    if words["out"] == "-":
        show("---\n".join(data.decode() for data in made.texts.values()))
        if told := text.imported(made.report, printed=True):
            show(told, err=True)
        return 0
    manifest_files.write(made.texts, made.before)
    if words["output"] == "json":
        show(json.document(made.report.model_dump(mode="json")))
    else:
        show(text.imported(made.report))
    return 0 if made.report.complete else LEFT
