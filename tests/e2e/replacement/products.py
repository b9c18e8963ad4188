"""The collection that is replaced, its manifests, and what a cluster has of it."""

from __future__ import annotations

import json

from tests.support.project import asked

DOT = {"vectors": {"size": 4, "distance": "Dot"}, "payload_indexes": {"brand": "keyword"}}
COSINE = {**DOT, "vectors": {"size": 4, "distance": "Cosine"}}
EUCLID = {**DOT, "vectors": {"size": 4, "distance": "Euclid"}}
ALIAS = {"products-live": "products"}
ADDRESS = "collection/products"
COUNT = 300


def manifest(spec, **replacement):
    more = {"replacement": replacement} if replacement else {}
    return {"spec": spec, "lifecycle": {"replace": "blue_green", **more}}


def write(node, ids, name="products-live", **payload):
    points = [
        {"id": i, "vector": [i % 7 + 1, i % 5, 2, 1], "payload": {"brand": f"b{i % 3}", **payload}}
        for i in ids
    ]
    asked(node, "PUT", f"/collections/{name}/points?wait=true", {"points": points})


def read(node, name="products-live"):
    body = {"limit": 1000, "with_payload": True, "with_vector": False}
    points = asked(node, "POST", f"/collections/{name}/points/scroll", body)["points"]
    return {point["id"]: point["payload"] for point in points}


def names(node):
    listed = asked(node, "GET", "/collections")["collections"]
    return {entry["name"] for entry in listed if not entry["name"].startswith("_qdrantctl")}


def target(node):
    [alias] = asked(node, "GET", "/aliases")["aliases"]
    return alias["collection_name"]


def status(project, node):
    shown = project.run(node, "replacement", "status", ADDRESS, "--format", "json")
    [only] = json.loads(shown.out)["replacements"]
    return only
