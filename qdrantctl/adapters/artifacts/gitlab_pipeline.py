"""Jobs for GitLab CI."""

from __future__ import annotations

from collections.abc import Sequence

from qdrantctl.adapters.artifacts.targets import INSTALL, Target, describe_variables

FILE = ".gitlab-ci.yml"

_HEAD = """\
# Made by `qdrantctl init --ci gitlab`; yours from here on. It reads variables (Settings > CI/CD):
#
#   {urls}
#   {read_keys}
#     read-only keys, for plans and drift; masked
#   {keys}
#     the keys that apply writes with; masked, and protected, so that only the main branch has them
#   QDRANTCTL_COMMENT_TOKEN
#     a project access token with scope api, for the plans' comments; masked
#
{handed_over}
# Nightly drift: add a schedule under Build > Pipeline schedules.
stages: [check, plan, apply, drift]

workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_PIPELINE_SOURCE == "schedule"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH

variables:
  GIT_DEPTH: "0"  # whether the checkout contains what was applied is seen in its history

default:
  image: python:3.13
  before_script:
    - {install}
{directory}
check:
  stage: check
  rules:
    - if: $CI_PIPELINE_SOURCE != "schedule"
  script:
{validate}
    - qdrantctl lock --check

# Needs neither server nor key, so that it also runs for merge requests from forks.
offline plan:
  stage: check
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
{offline}

.plan:
  stage: plan
  rules:
    - if: >-
        $CI_PIPELINE_SOURCE == "merge_request_event" &&
        $CI_MERGE_REQUEST_SOURCE_PROJECT_PATH == $CI_MERGE_REQUEST_PROJECT_PATH
  script:
    - |
      code=0
      qdrantctl plan --format markdown > plan.md || code=$?
      test -s plan.md || exit "$code"
      request="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID"
      notes() {{
        curl --fail --silent --show-error --header "PRIVATE-TOKEN: $QDRANTCTL_COMMENT_TOKEN" "$@"
      }}
      id=$(notes "$request/notes?per_page=100" | python -c '
      import json, sys
      found = [note["id"] for note in json.load(sys.stdin) if note["body"].startswith(sys.argv[1])]
      print(*found[:1])' "$(head -n 1 plan.md)")
      if [ -n "$id" ]; then
        notes --output /dev/null --request PUT --data-urlencode body@plan.md "$request/notes/$id"
      else
        notes --output /dev/null --data-urlencode body@plan.md "$request/notes"
      fi
      exit "$code"

.apply:
  stage: apply
  rules:
    - if: $CI_PIPELINE_SOURCE != "schedule" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH

.drift:
  stage: drift
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
  script:
    - qdrantctl drift
"""

_EACH = """
plan {name}:
  extends: .plan
{read_key}

drift {name}:
  extends: .drift
{read_key}
"""

_APPLY = """
apply {name}:
  extends: .apply
  needs: ["{needs}"]
  environment: {quoted}
  resource_group: qdrantctl-{name}
{write_key}
  script:
    - qdrantctl apply --auto-approve --locked --lease-timeout 300
"""

_APPROVED = """
plan to apply {name}:
  extends: .apply
  needs: ["{needs}"]
{read_key}
  script:
    - qdrantctl plan --out plan.json
  artifacts:
    paths: [{path}plan.json]
    expire_in: 1 week

# Waits for somebody to start it, then does exactly what that plan shows.
apply {name}:
  extends: .apply
  rules:
    - if: $CI_PIPELINE_SOURCE != "schedule" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      when: manual
  needs: ["plan to apply {name}"]
  environment: {quoted}
  resource_group: qdrantctl-{name}
{write_key}
  script:
    - qdrantctl apply plan.json --lease-timeout 300
"""


def text(targets: Sequence[Target], folder: str) -> str:
    """The jobs of a project that stands in `folder` of its repository."""
    made = _HEAD.format(
        install=INSTALL,
        handed_over=describe_variables(targets),
        urls=", ".join(f"QDRANT_URL_{target.suffix}" for target in targets),
        read_keys=", ".join(f"QDRANT_READ_API_KEY_{target.suffix}" for target in targets),
        keys=", ".join(f"QDRANT_API_KEY_{target.suffix}" for target in targets),
        directory="" if folder == "." else f"    - cd {folder}\n",
        validate="\n".join(f"    - qdrantctl validate -e {target.name}" for target in targets),
        offline="\n".join(
            f'    - qdrantctl plan --offline --base "$CI_MERGE_REQUEST_DIFF_BASE_SHA" -e {t.name}'
            for t in targets
        ),
    )
    needs = "check"
    for target in targets:
        words = {
            "name": target.name,
            "quoted": target.quoted,
            "needs": needs,
            "path": "" if folder == "." else f"{folder}/",
            "read_key": _variables(target, "QDRANT_READ_API_KEY"),
            "write_key": _variables(target, "QDRANT_API_KEY"),
        }
        made += _EACH.format(**words)
        made += (_APPROVED if target.approved else _APPLY).format(**words)
        needs = f"apply {target.name}"
    return made


def _variables(target: Target, key: str) -> str:
    return (
        f"  variables:\n    QDRANTCTL_ENV: {target.quoted}\n"
        f"    QDRANT_URL: $QDRANT_URL_{target.suffix}\n"
        f"    QDRANT_API_KEY: ${key}_{target.suffix}"
    )
