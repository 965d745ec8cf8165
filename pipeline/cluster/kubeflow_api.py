"""The way to the API of Kubeflow Pipelines, and what it answers when it refuses.

The generated client is used, not `kfp.Client`: that one keeps state in the home
folder, prints links, and asks a server that refuses five times over 25 seconds.
`kfp` is imported inside functions: it takes a second that `m2f --help` has not got.
"""

import contextlib
import dataclasses
import json
import os
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from foundation import errors

if TYPE_CHECKING:
    import kfp_server_api

TIMEOUT = (10, 120)  # seconds to connect, and to be answered
_LOGIN = (
    "a login page, or not the API of Kubeflow Pipelines. Give a token with "
    "--token-env, and the address that has /apis/v2beta1 below it."
)
IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"


@dataclasses.dataclass(frozen=True)
class Access:
    """Where the API is and who asks.

    Attributes:
        host: None for the service that pods in the cluster know.
        token_env: environment variable with an access token.
        in_cluster: use the token that Kubernetes gives this pod.
        namespace: the user's, where Kubeflow has several.
    """

    host: str | None = None
    token_env: str | None = None
    in_cluster: bool = False
    namespace: str | None = None

    @property
    def where(self) -> str:
        """The address that is asked."""
        return (self.host or IN_CLUSTER_HOST).rstrip("/")


@contextlib.contextmanager
def connected(
    access: Access, unknown: str = ""
) -> Iterator["kfp_server_api.ApiClient"]:
    """A client; what goes wrong inside the block is told in one message.

    Args:
        unknown: what the block asks for, in case the server knows none such.

    Raises:
        UserError: no address, no token, no answer, or a refusal.
    """
    import kfp_server_api
    import urllib3

    configuration = _configuration(access)
    try:
        client = kfp_server_api.ApiClient(configuration)
        _require_api(access, client)
        yield client
    except kfp_server_api.ApiException as error:
        raise errors.UserError(_refusal(access, unknown, error)) from None
    except urllib3.exceptions.HTTPError as error:
        reason = str(getattr(error, "reason", error)).rsplit(": ", maxsplit=1)[-1]
        raise errors.UserError(
            f"{access.where}: does not answer: {reason}. Is the address right? From "
            "outside of the cluster it is reached through `kubectl port-forward -n "
            "kubeflow svc/ml-pipeline 8888` as http://localhost:8888."
        ) from None


def _require_api(access: Access, client: "kfp_server_api.ApiClient") -> None:
    """A login page is an answer too, of which the client makes an empty object."""
    import kfp_server_api

    api = kfp_server_api.HealthzServiceApi(client)
    api.healthz_service_get_healthz(_request_timeout=TIMEOUT)
    kind = client.last_response.getheader("Content-Type") or "nothing"
    if "json" not in kind:
        raise errors.UserError(
            f"{access.where}: answered with {kind.partition(';')[0]} instead of JSON: "
            f"{_LOGIN}"
        )


def _configuration(access: Access) -> "kfp_server_api.Configuration":
    import kfp_server_api

    if access.host is None and not access.in_cluster:
        raise errors.UserError("which API? Give --host URL, or --in-cluster in a pod.")
    if "@" in access.where:
        raise errors.UserError(
            "--host: holds a user or a password, which messages would repeat. Give the "
            "address alone, and a token with --token-env."
        )
    if urllib.parse.urlsplit(access.where).scheme not in ("http", "https"):
        raise errors.UserError(f"--host {access.host}: wanted http:// or https://.")
    configuration = kfp_server_api.Configuration(host=access.where)
    configuration.retries = False  # or each one is a warning; nor follow to a login
    if access.token_env:
        configuration.api_key["authorization"] = _token(access.token_env)
        configuration.api_key_prefix["authorization"] = "Bearer"
    elif access.in_cluster:
        from kfp import client

        credentials = client.ServiceAccountTokenVolumeCredentials()
        configuration.api_key_prefix["authorization"] = "Bearer"
        configuration.refresh_api_key_hook = credentials.refresh_api_key_hook
        try:
            configuration.refresh_api_key_hook(configuration)
        except OSError as error:
            raise errors.UserError(
                f"--in-cluster: no service account token: {error.filename}: "
                f"{error.strerror}. The pod needs the projected token of Kubeflow "
                "Pipelines; elsewhere use --token-env."
            ) from None
    return configuration


def _token(variable: str) -> str:
    token = os.environ.get(variable, "").strip()
    if not token:
        raise errors.UserError(
            f"--token-env {variable}: no such environment variable, or it is empty. "
            "Wanted the name of the variable that holds the token, not the token."
        )
    return token


def _refusal(access: Access, unknown: str, error: "kfp_server_api.ApiException") -> str:
    if error.status in (401, 403):
        return (
            f"{access.where}: refused with {error.status}: {_reason(error)}. Name the "
            "environment variable of a valid token with --token-env, or use "
            "--in-cluster inside the cluster; with several users, give --namespace."
        )
    if 300 <= error.status < 400:
        return f"{access.where}: sends on to another page: {_LOGIN}"
    if error.status == 404 and unknown:
        return (
            f"{access.where}: has no {unknown}; `m2f kubeflow submit` printed its id."
        )
    return f"{access.where}: answered {error.status}: {_reason(error)}."


def _reason(error: "kfp_server_api.ApiException") -> str:
    try:
        text = json.loads(error.body)["message"]
    except (KeyError, TypeError, ValueError):
        text = error.reason or "no reason given"
    return " ".join(str(text).split())[:300].rstrip(".")
