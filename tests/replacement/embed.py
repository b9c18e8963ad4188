"""A fill command: makes the vector `a` of each point's text, and keeps the other ones."""

from __future__ import annotations

import json
import sys

from tests.replacement.points import embed


def main() -> None:
    for line in sys.stdin:
        if not line.strip():
            sys.stdout.write("\n")
            sys.stdout.flush()
            continue
        point = json.loads(line)
        vectors = {"b": None, "words": None} | point["vectors"]
        vectors["a"] = embed(point["payload"]["text"])
        sys.stdout.write(json.dumps({"id": point["id"], "vectors": vectors}) + "\n")


if __name__ == "__main__":
    main()
