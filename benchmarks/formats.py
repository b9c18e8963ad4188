"""A plan of 2,000 changes in each format: size, and time and memory beyond those of the plan.

Every change differs, so that none are shown as one. Each collection has an alias and is
backed up by a policy.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from benchmarks.ratio import PYTHON, Row
from qdrantctl.cli.output import formats_of
from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.plan import Plan, Reference
from qdrantctl.render.shared.style import Style
from tests.support.plans import STEP, at, change, field, plan

CHANGED = 2000
MOST_SECONDS, MOST_MIB = 3.0, 200.0
ROOT = Path(__file__).parents[1]


def large_plan() -> Plan:
    """A plan of many changes of three fields each, one in ten destroying."""
    names = [f"collection/products-{number:04}" for number in range(CHANGED)]
    actions = [Action.DELETE if number % 10 == 0 else Action.UPDATE for number in range(CHANGED)]
    pairs = [(f"alias/live-{name[-4:]}", name) for name in names]
    pairs += [("snapshot_policy/nightly", name) for name in names]
    return plan(
        *(
            change(
                action,
                name,
                field(("hnsw_config", "m"), 16, 17 + number, recorded=16, effect=Effect.REBUILD),
                field(("strict_mode_config", "max_query_limit"), ABSENT, number, origin=at(7)),
                field(("metadata", "team"), "search", f"team {number}", recorded="search"),
                origin=at(3, f"manifests/{number}.yaml"),
                points=number,
                steps=(STEP, STEP),
            )
            for number, (name, action) in enumerate(zip(names, actions, strict=True))
        ),
        references=tuple(Reference(source=a, target=b) for a, b in pairs),
    )


def measure_format(name: str) -> dict[str, float]:
    """Bytes of the document, and processor seconds and MiB of rendering it, in a new process."""
    made = large_plan()
    before, started = _peak_mib(), time.process_time()
    text = import_module(f"qdrantctl.render.{name}").plan(made, Style())
    seconds = time.process_time() - started
    return {"bytes": len(text.encode()), "seconds": seconds, "mib": _peak_mib() - before}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_alone(name: str) -> dict[str, float]:
    """The same, measured in a process of its own."""
    result = subprocess.run(
        [PYTHON, "-m", "benchmarks.formats", name],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


def rows(_: Path) -> Iterator[Row]:
    for name in formats_of("plan"):
        measured = measure_alone(name)
        yield Row(
            task=f"a plan of {CHANGED:,} changes as {name} ({measured['bytes'] / 1e6:.2f} MB)",
            measured=f"{measured['seconds']:.2f} s",
            baseline="",
            ratio=f"{measured['mib']:.0f} MiB",
            bound=f"{MOST_SECONDS:.0f} s, {MOST_MIB:.0f} MiB",
            is_met=measured["seconds"] <= MOST_SECONDS and measured["mib"] <= MOST_MIB,
        )


if __name__ == "__main__":
    print(json.dumps(measure_format(sys.argv[1])))
