"""How a job logs in to the secret manager whose program prints a key."""

from __future__ import annotations

from pathlib import PurePath

_LOGINS: dict[str, tuple[str, ...]] = {
    "vault": ('vault login -no-print -method=jwt role=ROLE jwt="$ID_TOKEN"',),
    "bao": ('bao login -no-print -method=jwt role=ROLE jwt="$ID_TOKEN"',),
    "aws": (
        'printf %s "$ID_TOKEN" > "$HOME/id-token"',
        'export AWS_ROLE_ARN=ROLE AWS_WEB_IDENTITY_TOKEN_FILE="$HOME/id-token"',
    ),
    "gcloud": (
        'printf %s "$ID_TOKEN" > "$HOME/id-token"  # CREDENTIALS.json names this file',
        "gcloud auth login --quiet --cred-file=CREDENTIALS.json",
    ),
    "az": (
        "az login --service-principal --username CLIENT --tenant TENANT --output none \\",
        '  --federated-token "$ID_TOKEN"',
    ),
}
"""Of those that take a token of the CI, in `$ID_TOKEN`."""
_TOKENS = {
    "op": "OP_SERVICE_ACCOUNT_TOKEN",
    "doppler": "DOPPLER_TOKEN",
    "infisical": "INFISICAL_TOKEN",
    "bws": "BWS_ACCESS_TOKEN",
    "sops": "SOPS_AGE_KEY",
}
"""The variables of those that read a token from one."""
_TOKEN_HINTS = {
    "github": (
        "with `id-token: write` among the permissions of this job:",
        'ID_TOKEN=$(curl -fsS -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \\',
        '  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience={program}" | jq -r .value)',
    ),
    "gitlab": ("with `id_tokens: {{ID_TOKEN: {{aud: {program}}}}}` in this job:",),
}


def login_comment(ci: str, program: str) -> tuple[str, ...]:
    """Lines of shell, all of them comments, that say how a job of `ci` logs in."""
    name = PurePath(program).name
    start = f"The key comes from the command `{name}`. Log in to its secret manager here"
    if login := _LOGINS.get(name):
        hints = [line.format(program=name) for line in _TOKEN_HINTS[ci]]
        lines = [f"{start}, for instance", *hints, *login]
    elif variable := _TOKENS.get(name):
        lines = [f"{start}: pass {variable}, from a secret, to this job."]
    else:
        lines = [f"{start}, if it needs a login."]
    lines.append("Plans need a key that only reads: let the role of these jobs see no other one.")
    return tuple(f"# {line}" for line in lines)
