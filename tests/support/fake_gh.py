"""A `gh` that answers `gh api` from a file, and records each request. What it does not know fails.

The file `$FAKE_GH/forge.json` holds the comments and issues of one repository. The runner of
`tests/support/forge.py` puts this program on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = {"type": "Bot", "login": "github-actions[bot]"}
PAGE = 2
"""Entries of a page, so few that two pages are tested."""


def parse_command(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gh")
    parser.add_argument("command", choices=["api"])
    parser.add_argument("endpoint")
    parser.add_argument("--method")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--field", action="append", default=[])
    parser.add_argument("--raw-field", action="append", default=[])
    return parser.parse_args(words)


def parse_fields(args: argparse.Namespace) -> dict[str, str]:
    fields = dict(field.split("=", 1) for field in args.raw_field)
    for field in args.field:
        name, value = field.split("=", 1)
        fields[name] = Path(value[1:]).read_text() if value.startswith("@") else value
    return fields


def answer_request(forge: dict[str, Any], method: str, path: str, fields: dict[str, str]) -> Any:
    """What the API answers; it changes `forge`."""
    address = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    prefix = r"repos/acme/shop/issues"
    if match := re.fullmatch(rf"{prefix}/7/comments", address.path):
        if method == "GET":
            return forge["comments"]
        forge["comments"].append({"id": 100 + len(forge["comments"]), "user": BOT, **fields})
        return forge["comments"][-1]
    if (match := re.fullmatch(rf"{prefix}/comments/(\d+)", address.path)) and method == "PATCH":
        found = next(each for each in forge["comments"] if each["id"] == int(match[1]))
        return found.update(fields) or found
    if re.fullmatch(prefix, address.path):
        if method == "GET":
            return [each for each in forge["issues"] if each["state"] == query["state"]]
        number = 1 + len(forge["issues"])
        forge["issues"].append({"number": number, "state": "open", "user": BOT, **fields})
        return forge["issues"][-1]
    if (match := re.fullmatch(rf"{prefix}/(\d+)", address.path)) and method == "PATCH":
        found = next(each for each in forge["issues"] if each["number"] == int(match[1]))
        return found.update(fields) or found
    raise SystemExit(f"fake gh: no answer to {method} {path}")


def main() -> None:
    if not os.environ.get("GH_TOKEN"):
        raise SystemExit("gh: set GH_TOKEN")
    folder = Path(os.environ["FAKE_GH"])
    args = parse_command(sys.argv[1:])
    fields = parse_fields(args)
    method = args.method or ("POST" if fields else "GET")
    with (folder / "requests.jsonl").open("a") as log:
        log.write(json.dumps([method, args.endpoint, fields]) + "\n")
    forge = json.loads((folder / "forge.json").read_text())
    answer = answer_request(forge, method, args.endpoint, fields)
    (folder / "forge.json").write_text(json.dumps(forge))
    if args.silent:
        return
    if isinstance(answer, list):
        last = len(answer) if args.paginate else PAGE
        for start in range(0, max(last, 1), PAGE):  # as gh: one array after the other
            sys.stdout.write(json.dumps(answer[start : start + PAGE]))
    else:
        sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
