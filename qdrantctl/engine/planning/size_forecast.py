"""The bytes that a collection will take: its vectors, their graph and their quantized copies."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Resource

_VALUE_BYTES = {"float32": 4, "float16": 2, "uint8": 1}
_LINK_BYTES = 4
"""Each node of the graph has up to 2 x m links on its lowest level, by far the largest."""
_DEFAULT_M = 16
_PRODUCT_COMPRESSION = {"x4": 4, "x8": 8, "x16": 16, "x32": 32, "x64": 64}


def forecast_bytes(spec: Mapping[str, Json], live: Resource | None, points: int) -> tuple[int, int]:
    """Bytes on disk and in memory of one replica of each shard.

    Where the server reports the size of the live collection, what is no vector there (payload and
    its indexes) is added. Sparse vectors and multivectors count as one vector, or not at all.
    """
    stored, held = _vector_bytes(spec, points)
    storage = live.facts.storage if live else None
    if live is None or storage is None:
        return stored, held
    old_stored, old_held = _vector_bytes(live.spec, points)
    return (
        stored + max(storage.disk_bytes - old_stored, 0),
        held + max(storage.ram_bytes - old_held, 0),
    )


def _vector_bytes(spec: Mapping[str, Json], points: int) -> tuple[int, int]:
    """Bytes of the dense vectors on disk and in memory."""
    on_disk = in_memory = 0
    for vector in spec.get("vectors", {}).values():
        size = vector.get("size", 0)
        raw = points * size * _VALUE_BYTES.get(vector.get("datatype", "float32"), 4)
        hnsw = {**spec.get("hnsw_config", {}), **vector.get("hnsw_config", {})}
        graph = points * 2 * hnsw.get("m", _DEFAULT_M) * _LINK_BYTES
        quantization = vector.get("quantization_config", spec.get("quantization_config", {}))
        quantized, is_held = _quantized_bytes(quantization, points * size)
        on_disk += raw + graph + quantized
        in_memory += 0 if vector.get("on_disk") else raw
        in_memory += 0 if hnsw.get("on_disk") else graph
        in_memory += quantized if is_held else 0
    return on_disk, in_memory


def _quantized_bytes(config: Mapping[str, Json], values: int) -> tuple[int, bool]:
    """Bytes of the quantized copies, and whether they are held in memory."""
    if scalar := config.get("scalar"):
        return values, bool(scalar.get("always_ram"))
    if binary := config.get("binary"):
        bits = {"two_bits": 2, "one_and_half_bits": 1.5}.get(binary.get("encoding", ""), 1)
        return int(values * bits / 8), bool(binary.get("always_ram"))
    if product := config.get("product"):
        ratio = _PRODUCT_COMPRESSION.get(product.get("compression", "x4"), 4)
        return values * 4 // ratio, bool(product.get("always_ram"))
    return 0, False
