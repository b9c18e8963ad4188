"""On a standalone server, which tells no uuid, the time of creation tells a recreated collection.

No server before 1.20 tells it: a proxy adds it, where and in the form that qdrant-client 1.20.0
states, to the answers of a real server.
"""

import json

from tests.support.project import VECTORS, Project
from tests.support.proxy import proxied

MANIFEST = {"vectors": VECTORS}


def tell_creation(time):
    """Adds `created_at` to the details of the collection."""

    def change(answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        if b'"payload_schema"' not in body:
            return answer
        document = json.loads(body)
        document["result"]["created_at"] = time()
        text = json.dumps(document).encode()
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-le")]
        return b"\r\n".join([*lines, b"content-length: %d" % len(text)]) + b"\r\n\r\n" + text

    return change


def test_a_recreated_collection_has_another_time(fresh_qdrant, tmp_path):
    node, project = fresh_qdrant(cluster=False), Project(tmp_path)
    times = ["2026-11-01T10:00:00Z"]
    with proxied(node.http_port, lambda *_: None) as proxy:
        proxy.change_answer = tell_creation(lambda: times[-1])
        project.states({"products": MANIFEST})
        assert project.apply(proxy.url).code == 0
        assert project.plan(proxy.url).code == 0
        assert project.run(proxy.url, "drift", "--format", "json").code == 0
        shown = project.run(proxy.url, "show", "collection/products", "--format", "json")
        assert shown.document["created_at"] == times[0]

        assert node.request("DELETE", "/collections/products")[0] == 200
        assert node.request("PUT", "/collections/products", MANIFEST)[0] == 200
        times.append("2026-11-02T10:00:00Z")
        drift = project.run(proxy.url, "drift", "--format", "json")
        [found] = drift.document["changed"]
        assert (found["what"], found["created_at"]) == ("recreated", times[1])
        planned = project.plan(proxy.url)
        change = planned.change("collection/products")
        assert (change["action"], change["cause"]) == ("adopt", "drift")
        assert change["because"] == "re-created outside qdrantctl"
        assert project.apply(proxy.url).code == 0
        assert project.run(proxy.url, "drift", "--format", "json").code == 0
