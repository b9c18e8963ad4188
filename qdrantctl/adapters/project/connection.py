"""The connection to a server: its URL, its API key, and whether the key may be sent there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.files.home import expand_path
from qdrantctl.adapters.project import api_key
from qdrantctl.adapters.project.environment import (
    MergedEnvironment,
    SourcedValue,
    merge_environment,
)
from qdrantctl.adapters.project.project_file import ProjectFiles
from qdrantctl.adapters.qdrant.endpoint import Endpoint, TlsFiles
from qdrantctl.model.consent import matches_glob
from qdrantctl.model.errors import ManifestError, QdrantctlError, SettingsError, UsageError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.key_source import FromVariable
from qdrantctl.model.project import EMBEDDED
from qdrantctl.model.url import UrlError, is_loopback, normalize_url, url_host, url_netloc

ALLOWED_HOSTS = "QDRANTCTL_ALLOWED_HOSTS"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")


@frozen
class Connection:
    """How to connect to a server."""

    endpoint: Endpoint | None = None
    embedded: bool = False
    nodes: tuple[str, ...] = ()


def connect_by_url(url: str, source: str, environ: Mapping[str, str]) -> Connection:
    """The server named by `source` (--url or QDRANT_URL), with the key in QDRANT_API_KEY."""
    if url == EMBEDDED:
        return Connection(embedded=True)
    try:
        target = normalize_url(url)
    except UrlError as error:
        raise UsageError(f"{source} cannot be used: {error.why}", hint=error.hint) from None
    proxies = _proxy_variables(environ)
    if not environ.get("QDRANT_API_KEY"):
        hint = "Set QDRANT_API_KEY to the key of this server."
        return Connection(Endpoint(url=target, key_hint=hint, proxies=proxies))
    if _is_unencrypted(target):
        raise UsageError(
            f"QDRANT_API_KEY would be sent to {url_netloc(target)} in the clear",
            hint="Use https, or an environment of a project file with allow_http: true.",
        )
    _check_allowed_host(target, environ)
    key = api_key.read_variable("QDRANT_API_KEY", environ, f"the environment, with {source}")
    hint = _key_hint("the environment variable QDRANT_API_KEY")
    return Connection(
        Endpoint(url=target, api_key=key, key_hint=hint, proxies=_proxy_variables(environ))
    )


def find_known_key(environment: MergedEnvironment | None, environ: Mapping[str, str]) -> str | None:
    """The key in the variable that the environment names, else in QDRANT_API_KEY."""
    stated = environment.get("api_key") if environment else None
    variable = stated.value.env if stated else "QDRANT_API_KEY"
    return environ.get(variable or "", "").strip() or None


def check_token_target(endpoint: Endpoint, environ: Mapping[str, str]) -> None:
    """Raise if a user's token must not be sent to a server. An endpoint with a key is allowed."""
    if endpoint.api_key is not None:
        return
    if _is_unencrypted(endpoint.url):
        raise UsageError(
            f"the token would be sent to {url_netloc(endpoint.url)} in the clear",
            hint="Use https, or an environment of a project file with allow_http: true.",
        )
    _check_allowed_host(endpoint.url, environ)


def read_further_key(variable: str, url: str, environ: Mapping[str, str]) -> str:
    """A further key for a server, from a variable. Raises if it may not be sent there."""
    if _is_unencrypted(url):
        raise UsageError(
            f"the key in {variable} would be sent to {url_netloc(url)} in the clear",
            hint="Use https.",
        )
    _check_allowed_host(url, environ)
    return api_key.read_variable(variable, environ, "the command line")


def connect_by_environment(
    environment: MergedEnvironment, environ: Mapping[str, str]
) -> Connection:
    """The server of an environment. The key is fetched last, after its targets were checked."""
    url = environment.get("url")
    if url is None:
        raise SettingsError(
            f"environment {environment.name} states no url",
            hint="Add url: https://host:6333, {env: NAME} or embedded.",
        )
    target = resolve_url(url, environ)
    if target == EMBEDDED:
        return Connection(embedded=True)
    key = environment.get("api_key")
    nodes = environment.get("nodes")
    for stated, address in _key_targets(url, target, nodes) if key else ():
        _check_key_target(environment, stated, address, environ)
    return Connection(
        Endpoint(
            url=target,
            nodes=tuple(nodes.value) if nodes else (),
            tls=_tls_files(environment),
            proxies=_proxy_variables(environ),
            grpc_port=environment.value("grpc_port"),
            api_key=api_key.fetch_key(key.value, key.layer.folder, environ, key.place)
            if key
            else None,
            key_hint=_key_hint(f"{api_key.describe_source(key.value)} ({key.place})")
            if key
            else f"State api_key in environment {environment.name} ({url.place}), for instance "
            "{env: QDRANT_API_KEY}.",
        ),
        nodes=tuple(nodes.value) if nodes else (),
    )


def _key_hint(source: str) -> str:
    return f"It came from {source}: is that the key of this server?"


def _key_targets(
    url: SourcedValue, target: str, nodes: SourcedValue | None
) -> Iterator[tuple[SourcedValue, str]]:
    """Every URL that receives the key, with the value that states it."""
    yield url, target
    if nodes:
        yield from ((nodes, node) for node in nodes.value)


def find_other_urls(
    chain: ProjectFiles, merged: MergedEnvironment, environ: Mapping[str, str]
) -> dict[str, str]:
    """The URL of every other environment by owner, previous names included, where it is known.

    A variable that this environment's URL comes from, too, says nothing: pipelines set it for one
    environment at a time.
    """
    own, result = merged.value("url"), {}
    metadata = chain.project.metadata
    for name in chain.environment_names:
        with suppress(QdrantctlError):
            url = merge_environment(chain, name).get("url")
            if name != merged.name and url and (url.value != own or isinstance(own, str)):
                for project in (metadata.name, *metadata.previous_names):
                    result[f"{project}/{name}"] = resolve_url(url, environ)
    return result


def resolve_url(url: SourcedValue, environ: Mapping[str, str]) -> str:
    """The stated URL, or the one in the variable that it names."""
    if not isinstance(url.value, FromVariable):
        return str(url.value)
    name = url.value.env
    if not environ.get(name):
        raise SettingsError(
            f"the environment variable {name} is not set",
            why=f"The server's URL is read from it ({url.place}).",
            hint=f"Set {name} where qdrantctl runs.",
        )
    if environ[name] == EMBEDDED:
        return EMBEDDED
    try:
        return normalize_url(environ[name])
    except UrlError as error:
        raise SettingsError(
            f"the environment variable {name} holds no usable URL: {error.why}",
            why=f"It is named in {url.place}.",
            hint=error.hint or "For instance https://qdrant.example.com:6333.",
        ) from None


def _check_key_target(
    environment: MergedEnvironment, stated: SourcedValue, address: str, environ: Mapping[str, str]
) -> None:
    """Raise if a key would be sent unencrypted, or to a host that is not allowed."""
    if _is_unencrypted(address) and not environment.value("allow_http"):
        message = f"the API key would be sent to {url_netloc(address)} in the clear"
        hint = "Use https, or set allow_http: true if the network in between is trusted."
        raise ManifestError(
            "the project file has errors; no changes were made",
            (stated.make_violation("QC070", message, hint),),
        )
    _check_allowed_host(address, environ)


def _is_unencrypted(address: str) -> bool:
    """Whether requests to it can be read by third parties."""
    return address.startswith("http://") and not is_loopback(address)


def _check_allowed_host(address: str, environ: Mapping[str, str]) -> None:
    """Raise if QDRANTCTL_ALLOWED_HOSTS is set and does not name the host."""
    patterns = environ.get(ALLOWED_HOSTS, "").replace(",", " ").split()
    host = url_host(address)
    if not patterns or any(matches_glob(pattern, name) for pattern in patterns
                           for name in (host, url_netloc(address))):  # fmt: skip
        return
    raise SettingsError(
        f"the API key may not be sent to {host}",
        why=f"{ALLOWED_HOSTS} lists the hosts that may receive it; this host is not one of them.",
        hint=f"Correct the url, or add {host} to {ALLOWED_HOSTS}.",
    )


def _tls_files(environment: MergedEnvironment) -> TlsFiles:
    """The certificate files, from the folder of the file that states them."""
    tls = environment.get("tls")
    if tls is None:
        return TlsFiles()

    def path_of(text: str | None) -> Path | None:
        return expand_path(tls.layer.folder, text, tls.place) if text is not None else None

    stated = tls.value
    return TlsFiles(path_of(stated.ca_file), path_of(stated.cert_file), path_of(stated.key_file))


def _proxy_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The variables that name proxies. They may hold a password, so only the client gets them."""
    return {name: value for name, value in environ.items() if name.lower() in PROXY_VARIABLES}
