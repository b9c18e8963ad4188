"""Write docs/images/plan-light.svg and plan-dark.svg: a real plan as a terminal shows it.

Applies examples/shop to an embedded server, changes the cluster and the manifests, runs
`qdrantctl plan` in colour and turns its output into SVG. `make pictures` runs it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PROGRAM = [sys.executable, "-m", "qdrantctl"]
SHOWN_COMMAND = "qdrantctl plan"
SHOWN_URL = "http://127.0.0.1:6333"
"""Replaces the URL of the embedded server, whose port differs from run to run."""

FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
THEMES = {
    "light": TerminalTheme(
        (255, 255, 255),
        (36, 41, 47),
        [(36, 41, 47), (207, 34, 46), (17, 99, 41), (149, 56, 0), (9, 105, 218), (130, 80, 223),
         (27, 124, 131), (110, 119, 129)],
    ),
    "dark": TerminalTheme(
        (13, 17, 23),
        (230, 237, 243),
        [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255),
         (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    ),
}  # fmt: skip


def main() -> None:
    """Run the plan and write one picture for each theme."""
    parser = argparse.ArgumentParser(prog="python -m tools.terminal_picture", description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="DIR", help="folder to write")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    output = run_plan()
    for name, theme in THEMES.items():
        (folder / f"plan-{name}.svg").write_text(draw(output, theme, f"plan-{name}"))


def run_plan() -> str:
    """What `qdrantctl plan` prints, with ANSI colours, for a changed project and cluster."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "shop"
        shutil.copytree(ROOT / "examples" / "shop", project)
        try:
            _qdrantctl(project, "apply", "--auto-approve")
            url = json.loads(_qdrantctl(project, "plan", "--format", "json"))["server"]["url"]
            _change_cluster(url)
            _change_manifests(project / "manifests")
            return _qdrantctl(project, "plan").replace(url, SHOWN_URL)
        finally:
            _qdrantctl(project, "dev", "down")


def _change_cluster(url: str) -> None:
    """Make the changes of another user: raise a limit without review, and write reviews."""
    _send(url, "PATCH", "/collections/products", {"strict_mode_config": {"max_timeout": 60}})
    points = [{"id": number, "vector": [0.5] * 384, "payload": {}} for number in range(3)]
    _send(url, "PUT", "/collections/reviews/points?wait=true", {"points": points})


def _change_manifests(folder: Path) -> None:
    """Make the changes of a pull request: tune products, and remove reviews."""
    products = folder / "products.yaml"
    text = products.read_text()
    text = text.replace("    m: 16\n", "    m: 32\n")
    text = text.replace("    in_stock: bool\n", "    in_stock: bool\n    discount: float\n")
    products.write_text(text)
    (folder / "reviews.yaml").unlink()
    aliases = folder / "aliases.yaml"
    aliases.write_text(aliases.read_text().partition("---\n")[0])


def _qdrantctl(project: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("QDRANT", "NO_COLOR"))}
    environment |= {"FORCE_COLOR": "1", "PYTHONPATH": str(ROOT)}
    if arguments[0] != "dev":
        environment["QDRANTCTL_ENV"] = "dev"
    finished = subprocess.run(
        [*PROGRAM, *arguments], cwd=project, env=environment, capture_output=True, text=True
    )
    if finished.returncode:
        raise SystemExit(f"qdrantctl {' '.join(arguments)}: {finished.stderr}")
    return finished.stdout


def _send(url: str, method: str, path: str, body: Any) -> None:
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"content-type": "application/json"}, method=method
    )
    urllib.request.urlopen(request, timeout=30).close()


def draw(output: str, theme: TerminalTheme, name: str) -> str:
    """The command and its output as SVG. It loads no fonts."""
    text = Text.from_ansi(f"\x1b[1m$ {SHOWN_COMMAND}\x1b[0m\n{output}")
    width = max(line.cell_len for line in text.split("\n"))
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True,
                      color_system="standard", legacy_windows=False)  # fmt: skip
    console.print(text, no_wrap=True)
    svg = console.export_svg(title="qdrantctl", theme=theme, unique_id=name)
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: *[^;]*;", f"font-family: {FONTS};", svg)
    svg = svg.replace("font-variant-east-asian: full-width;", "")
    return re.sub(r"<!--.*?-->\s*", "", svg)


if __name__ == "__main__":
    main()
