"""Runs cases of `tools.engine_forms` on qdrant-edge-py, which only this process has: JSON to JSON.

The package takes objects of its own, so that the JSON of a manifest is translated word by word.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qdrant_edge as edge

PLAIN = {"v": {"size": 4, "distance": "Dot"}}
ENUMERATIONS = {
    "memory": edge.Memory,
    "tokenizer": edge.TokenizerType,
    "distance": edge.Distance,
    "datatype": edge.VectorStorageDatatype,
    "bits": edge.TurboQuantBitSize,
}


def argument(name: str, value: Any) -> Any:
    """The package's object for a value."""
    if name in ENUMERATIONS:
        return getattr(ENUMERATIONS[name], str(value).capitalize())
    if name == "scoring" and isinstance(value, dict):
        return edge.TextScoringParams(edge.TextScoringType.Bm25)
    if name == "stemmer":
        return edge.DisabledStemmer()
    return value


def arguments(section: dict[str, Any]) -> dict[str, Any]:
    """The package's keyword arguments for a section."""
    return {name: argument(name, value) for name, value in section.items()}


def make_config(stated: dict[str, Any]) -> Any:
    """The engine's configuration with the stated settings."""
    turbo = stated.get("quantization_config", {}).get("turbo")
    memory = stated.get("id_tracker", {}).get("memory")
    return edge.EdgeConfig(
        vectors={
            name: edge.EdgeVectorParams(**arguments(vector))
            for name, vector in stated.get("vectors", PLAIN).items()
        },
        quantization_config=turbo and edge.TurboQuantQuantizationConfig(**arguments(turbo)),
        id_tracker_memory=memory and argument("memory", memory),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1),
    )


def make_shard(folder: str, stated: dict[str, Any]) -> Any:
    """A shard with the stated settings."""
    return edge.EdgeShard.create(folder, make_config(stated))


def ask_about_index(case: dict[str, Any]) -> dict[str, Any]:
    """The case with the field and the schema that are stored, or with the refusal."""
    schema = dict(case["field_schema"])
    kind = schema.pop("type")
    schema_class = getattr(edge, f"{str(kind).capitalize()}IndexParams")
    with TemporaryDirectory() as folder:
        shard = make_shard(folder, {})
        try:
            index = schema_class(**arguments(schema))
            shard.update(edge.UpdateOperation.create_field_index(case["field_name"], index))
        except Exception as error:
            return case | {"refused": str(error)}
        shard.flush()
        [file] = Path(folder).glob("segments/*/payload_index/config.json")
        return case | {"stored": json.loads(file.read_text())["indexed_fields"]}


def ask_about_collection(stated: dict[str, Any]) -> dict[str, Any]:
    """The settings and the form in which they are stored."""
    with TemporaryDirectory() as folder:
        make_shard(folder, stated).flush()
        return {
            "stated": stated,
            "stored": json.loads((Path(folder) / "edge_config.json").read_text()),
        }


def ask_about_placements(placements: list[str | None]) -> list[dict[str, Any]]:
    """Whether each placement of the ids, set after the one before, rewrites indexed segments."""
    with TemporaryDirectory() as folder:
        shard = make_shard(folder, {})
        points = [edge.Point(n, {"v": [n, 1.0, 2.0, 3.0]}, {}) for n in range(2000)]
        shard.update(edge.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.close()
        answers = []
        for memory in placements:
            stated = {"id_tracker": {"memory": memory}} if memory else {}
            shard = edge.EdgeShard.load(folder, make_config(stated))
            answers.append({"memory": memory, "rewritten": shard.optimize()})
            shard.close()
        return answers


def main() -> None:
    """Answer the cases on standard input."""
    cases = json.load(sys.stdin)
    answer = {
        "indexes": [ask_about_index(case) for case in cases["indexes"]],
        "id_tracker": ask_about_placements(cases["id_tracker"]),
        "collections": [ask_about_collection(stated) for stated in cases["collections"]],
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
