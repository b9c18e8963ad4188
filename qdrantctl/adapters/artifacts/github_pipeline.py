"""A workflow for GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qdrantctl.adapters.artifacts.targets import INSTALL, Target, describe_variables

FILE = ".github/workflows/qdrantctl.yml"

_HEAD = """\
# Made by `qdrantctl init --ci github`; yours from here on. It reads, under Settings:
#
#   variables of the repository    {urls}
#   secrets of the repository      {keys}
#     read-only keys, for plans and drift
#   secret of each environment     QDRANT_API_KEY, the key that apply writes with
#     ({names}; require reviewers for those where somebody has to approve)
#
{handed_over}
name: qdrantctl

on:
  pull_request:
  push:
    branches: [main]
  schedule:
    - cron: "23 3 * * *"

permissions:
  contents: read
{defaults}
jobs:
  check:
    if: github.event_name != 'schedule'
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v6
        with:
          fetch-depth: 2
          persist-credentials: false
{install}
      - run: |
{validate}
      - run: qdrantctl lock --check
      # Needs neither server nor key, so that it also runs for pull requests from forks.
      - if: github.event_name == 'pull_request'
        run: |
{offline}

  plan:
    if: github.event.pull_request.head.repo.full_name == github.repository
    needs: check
    runs-on: ubuntu-latest
    timeout-minutes: 15
    permissions:
      contents: read
      pull-requests: write
    strategy:
      fail-fast: false
      matrix:
        include:
{matrix}
    concurrency:
      group: qdrantctl-plan-${{{{ matrix.environment }}}}-${{{{ github.ref }}}}
      cancel-in-progress: true
    env:
      QDRANTCTL_ENV: ${{{{ matrix.environment }}}}
{read_key}
    steps:
{checkout}
      - name: Plan, and tell it in the pull request's comment
        env:
          GH_TOKEN: ${{{{ github.token }}}}
          PULL_REQUEST: ${{{{ github.event.pull_request.number }}}}
        run: |
          code=0
          qdrantctl plan --format markdown > plan.md || code=$?
          test -s plan.md || exit "$code"
          comments="repos/$GITHUB_REPOSITORY/issues"
          id=$(gh api --paginate "$comments/$PULL_REQUEST/comments" |
            jq -r --arg marker "$(head -n 1 plan.md)" '.[] | select(.user.type == "Bot")
              | select(.body | startswith($marker)) | .id' | head -n 1)
          if [ -n "$id" ]; then
            gh api --silent --method PATCH "$comments/comments/$id" --field body=@plan.md
          else
            gh api --silent "$comments/$PULL_REQUEST/comments" --field body=@plan.md
          fi
          exit "$code"
"""

_APPLY = """
  apply-{name}:
    # An environment before this one is skipped where it has no changes; that is no failure.
    if: github.event_name == 'push' && !failure() && !cancelled()
    needs: {needs}
    runs-on: ubuntu-latest
    timeout-minutes: 60
    environment: {quoted}
    concurrency:
      group: qdrantctl-apply-{name}
      cancel-in-progress: false
    env:
      QDRANTCTL_ENV: {quoted}
{write_key}
    steps:
{checkout}
      - run: >-
          qdrantctl apply --auto-approve --locked --lease-timeout 300 --format markdown
          >> "$GITHUB_STEP_SUMMARY"
"""

_APPROVED = """
  plan-{name}:
    # An environment before this one is skipped where it has no changes; that is no failure.
    if: github.event_name == 'push' && !failure() && !cancelled()
    needs: {needs}
    runs-on: ubuntu-latest
    timeout-minutes: 15
    outputs:
      code: ${{{{ steps.plan.outputs.code }}}}
    env:
      QDRANTCTL_ENV: {quoted}
{read_key}
    steps:
{checkout}
      - id: plan
        run: |
          code=0
          qdrantctl plan --detailed-exitcode --out plan.json --format markdown \\
            >> "$GITHUB_STEP_SUMMARY" || code=$?
          echo "code=$code" >> "$GITHUB_OUTPUT"
          [ "$code" = 0 ] || [ "$code" = 2 ]
      - uses: actions/upload-artifact@v6
        with:
          name: plan-{name}
          path: {path}plan.json

  # Waits for the environment's reviewers, then does exactly what that plan shows.
  apply-{name}:
    if: needs.plan-{name}.outputs.code == '2' && !failure() && !cancelled()
    needs: plan-{name}
    runs-on: ubuntu-latest
    timeout-minutes: 60
    environment: {quoted}
    concurrency:
      group: qdrantctl-apply-{name}
      cancel-in-progress: false
    env:
      QDRANTCTL_ENV: {quoted}
{write_key}
    steps:
{checkout}
      - uses: actions/download-artifact@v7
        with:
          name: plan-{name}
          path: {folder}
      - run: >-
          qdrantctl apply plan.json --lease-timeout 300 --format markdown
          >> "$GITHUB_STEP_SUMMARY"
"""

_DRIFT = """
  drift:
    if: github.event_name == 'schedule'
    runs-on: ubuntu-latest
    timeout-minutes: 15
    strategy:
      fail-fast: false
      matrix:
        include:
{matrix}
    env:
      QDRANTCTL_ENV: ${{{{ matrix.environment }}}}
{read_key}
    steps:
{checkout}
      - run: qdrantctl drift --format markdown | tee "$GITHUB_STEP_SUMMARY"
        shell: bash
"""

_INSTALL = f"""\
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
      - run: {INSTALL}"""

_CHECKOUT = f"""\
      - uses: actions/checkout@v6
        with:
          fetch-depth: 0  # whether the checkout contains what was applied is seen in its history
          persist-credentials: false
{_INSTALL}"""


def text(targets: Sequence[Target], folder: str) -> str:
    """The workflow of a project that stands in `folder` of its repository."""
    return "".join(_parts(targets, folder))


def _parts(targets: Sequence[Target], folder: str) -> Iterator[str]:
    matrix = [f"{{environment: {target.quoted}, suffix: {target.suffix}}}" for target in targets]
    several = {
        "matrix": "\n".join(f"          - {line}" for line in matrix),
        "read_key": _keys(
            "vars[format('QDRANT_URL_{0}', matrix.suffix)]",
            "secrets[format('QDRANT_READ_API_KEY_{0}', matrix.suffix)]",
        ),
        "checkout": _CHECKOUT,
    }
    yield _HEAD.format(
        **several,
        **_words(targets),
        install=_INSTALL,
        defaults="" if folder == "." else _DEFAULTS.format(folder=folder),
    )
    needs = "check"
    for target in targets:
        url = f"vars.QDRANT_URL_{target.suffix}"
        yield (_APPROVED if target.approved else _APPLY).format(
            name=target.name,
            quoted=target.quoted,
            needs=needs,
            read_key=_keys(url, f"secrets.QDRANT_READ_API_KEY_{target.suffix}"),
            write_key=_keys(url, "secrets.QDRANT_API_KEY"),
            checkout=_CHECKOUT,
            folder=folder,
            path="" if folder == "." else f"{folder}/",
        )
        needs = f"apply-{target.name}"
    yield _DRIFT.format(**several)


_DEFAULTS = """
defaults:
  run:
    working-directory: {folder}
"""


def _words(targets: Sequence[Target]) -> dict[str, str]:
    """What of the head speaks of every environment."""
    return {
        "handed_over": describe_variables(targets),
        "names": ", ".join(target.name for target in targets),
        "urls": ", ".join(f"QDRANT_URL_{target.suffix}" for target in targets),
        "keys": ", ".join(f"QDRANT_READ_API_KEY_{target.suffix}" for target in targets),
        "validate": "\n".join(f"          qdrantctl validate -e {t.name}" for t in targets),
        "offline": "\n".join(
            f"          qdrantctl plan --offline --base HEAD^1 -e {t.name} --format markdown \\\n"
            '            >> "$GITHUB_STEP_SUMMARY"'
            for t in targets
        ),
    }


def _keys(url: str, key: str) -> str:
    return f"      QDRANT_URL: ${{{{ {url} }}}}\n      QDRANT_API_KEY: ${{{{ {key} }}}}"
