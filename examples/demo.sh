#!/usr/bin/env bash
# The main job on a real Qdrant on this machine: plan, apply, an empty plan, and a change by hand
# that the next plan shows. Works on a copy of examples/shop and leaves nothing behind.
set -euo pipefail

examples="$(cd "$(dirname "$0")" && pwd)"
folder="$(mktemp -d "${TMPDIR:-/tmp}/qdrantctl-demo.XXXXXX")"

clean_up() {
  code=$?
  trap - EXIT
  if ((code)); then
    qdrantctl dev down -C "$folder" >&2 || true
  fi
  rm -rf "$folder"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

say() { printf '\n# %s\n' "$*"; }

# Shows a command as it could be typed, runs it, and fails unless it ends as expected.
run() {
  local word line='$'
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    line+=" $word"
  done
  printf '\n%s%s\n' "$line" "${expected:+; echo \$?}"
  local code=0
  "$@" || code=$?
  [[ -z ${expected:-} ]] || echo "$code"
  ((code == ${expected:-0})) || exit 1
}

cp -R "$examples/shop/." "$folder"
cd "$folder"

say "A project: two collections of a shop with their aliases, and an environment on this machine."
run ls qdrantctl.yaml manifests
export QDRANTCTL_ENV=dev
printf '\n$ export QDRANTCTL_ENV=dev\n'

say "A real Qdrant, for this project alone."
run qdrantctl dev up

say "Are the manifests right? No server is asked."
run qdrantctl validate

say "What would change? Nothing is written."
run qdrantctl plan

say "Make it so, and read back that the server took it."
run qdrantctl apply --auto-approve

say "A second time there is nothing to do: exit code 0, where changes would be 2."
expected=0 run qdrantctl plan --detailed-exitcode

say "Somebody lifts a cap by hand, past every review."
url="$(qdrantctl plan --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["server"]["url"])')"
run python3 -c "
import json, urllib.request as web
body = json.dumps({\"strict_mode_config\": {\"max_query_limit\": 100000}}).encode()
header = {\"content-type\": \"application/json\"}
web.urlopen(web.Request(\"$url/collections/products\", body, header, method=\"PATCH\"))
"

say "The next plan shows who moved, and puts it back when applied."
expected=2 run qdrantctl plan --detailed-exitcode
run qdrantctl apply --auto-approve

say "Done. The server ends and its data is removed."
run qdrantctl dev down

cat <<'END'

To go on by yourself:

  source .venv/bin/activate
  cd examples/shop
  qdrantctl dev up
  export QDRANTCTL_ENV=dev
  $EDITOR manifests/products.yaml   # raise a cap, add a payload index, change a vector's size …
  qdrantctl plan
END
