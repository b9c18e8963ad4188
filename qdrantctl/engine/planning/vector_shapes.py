"""Whether points of one collection can be those of another, and stay what they are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.model.field_rule import Json

_COSINE = "Cosine"
_DEFAULT_TYPE = "float32"


def find_shape_obstacles(source: Mapping[str, Json], target: Mapping[str, Json]) -> Iterator[str]:
    """Why the points of a collection cannot be written to another one as they are."""
    existing = source.get("vectors", {})
    for name, vector in target.get("vectors", {}).items():
        label = f"vector {name!r}" if name else "the vector"
        old = existing.get(name)
        if old is None:
            yield f"{label} is not in the old collection"
        elif old.get("size") != vector.get("size"):
            yield f"{label} has size {old.get('size')} there and {vector.get('size')} here"
        elif bool(old.get("multivector_config")) != bool(vector.get("multivector_config")):
            yield f"{label} is a multivector on one side only"
    for name in target.get("sparse_vectors", {}):
        if name not in source.get("sparse_vectors", {}):
            yield f"the sparse vector {name!r} is not in the old collection"


def find_homeless_keys(source: Mapping[str, Json], target: Mapping[str, Json]) -> Iterator[str]:
    """Why points would not know their shards: of another sharding, or of keys that are missing."""
    methods = [spec.get("sharding_method", "auto") for spec in (source, target)]
    if methods[0] != methods[1]:
        yield f"its sharding_method is {methods[0]} there and {methods[1]} here"
        return
    keys = [[entry["key"] for entry in spec.get("shard_keys", ())] for spec in (source, target)]
    for key in keys[0]:
        if not any(type(key) is type(other) and key == other for other in keys[1]):
            yield f"the shard key {key!r} of the old collection is not in the new one"


def keeps_points(source: Mapping[str, Json], target: Mapping[str, Json]) -> bool:
    """Whether a point that is copied is the same on both sides.

    A narrower datatype rounds its vectors, and Cosine makes them of length 1. Vectors that only
    the source has are left out of the copy.
    """
    if source.get("vectors", {}).keys() != target.get("vectors", {}).keys():
        return False
    if source.get("sparse_vectors", {}).keys() != target.get("sparse_vectors", {}).keys():
        return False
    dense = (
        (vector, target["vectors"][name]) for name, vector in source.get("vectors", {}).items()
    )
    sparse = (
        (vector.get("index", {}), target["sparse_vectors"][name].get("index", {}))
        for name, vector in source.get("sparse_vectors", {}).items()
    )
    return all(
        old.get("datatype", _DEFAULT_TYPE) == new.get("datatype", _DEFAULT_TYPE)
        and (new.get("distance") != _COSINE or old.get("distance") == _COSINE)
        for old, new in (*dense, *sparse)
    )


def can_take_points(source: Mapping[str, Json], target: Mapping[str, Json]) -> bool:
    """Whether the points of the source can be written to the target."""
    return not (*find_shape_obstacles(source, target), *find_homeless_keys(source, target))
