"""The address of an ML Metadata database, and whether it can be used.

ML Metadata says little when it cannot connect (`errno: , error: `), so the address is
tried here step by step until it is clear which part of it is wrong.
"""

import dataclasses
import os
import pathlib
import re
import socket
import time
import urllib.parse

from ml_metadata import errors as ml_errors
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from foundation import errors
from pipeline.metadata import postgresql_store

URL_VARIABLE = "M2F_METADATA_URL"
PASSWORD_VARIABLE = "M2F_METADATA_PASSWORD"  # noqa: S105, a name and no password
_PORTS = {"mysql": 3306, "postgresql": 5432}
# Neither a second colon, nor an @ behind a slash, nor a query.
_HARMLESS = re.compile(r"\w*(://([^:@?#/]+@)?[^:@?#/]*(:\d+)?(/[^:@?#]*)?)?")
_FORMS = (
    "mysql://user@host:3306/db, postgresql://user@host:5432/db or sqlite:////path, "
    "without options"
)
_SECONDS_TO_ANSWER = 5.0
# What is said while another client makes the database or its tables.
_BEING_MADE = (
    "subset of tables",
    "concurrent connection to the empty database",
    "duplicate key value violates unique constraint",
    "already exists",
)
_TRIES_OF_A_SCHEMA = 10
_VERSIONS = re.compile(
    r"database version (\d+) is (?:greater|older) than library version (\d+)"
)
_NOT_LET_IN = re.compile(
    r"mysql_real_connect failed"
    r"|PostgreSQL metadata source error:( connection pointer is NULL)?$"
)


@dataclasses.dataclass(frozen=True)
class Address:
    """A parsed address; it holds no password."""

    url: str
    scheme: str
    user: str
    host: str
    port: int
    database: str


def parse(url: str) -> Address:
    """Reads an address.

    Raises:
        MetadataError: naming what is wrong with it, never a password.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port, password = parts.port, parts.password
    except ValueError:  # whose message may repeat a password it took for a port
        raise errors.MetadataError(
            f"metadata URL {_shown(url)}: wanted {_FORMS}."
        ) from None
    if password is not None:
        raise errors.MetadataError(
            f"metadata URL {parts.scheme}://...@{parts.hostname}: holds a password, "
            f"which every log would show. Put it into {PASSWORD_VARIABLE}, on a "
            "cluster from a Secret."
        )
    database = urllib.parse.unquote(parts.path.removeprefix("/"))
    server = parts.scheme in _PORTS and parts.username and parts.hostname
    file = parts.scheme == "sqlite" and not parts.netloc and database.startswith("/")
    if not (server or file) or not database or parts.query or parts.fragment:
        raise errors.MetadataError(f"metadata URL {_shown(url)}: wanted {_FORMS}.")
    return Address(
        url=url,
        scheme=parts.scheme,
        user=urllib.parse.unquote(parts.username or ""),
        host=parts.hostname or "",
        port=port or _PORTS.get(parts.scheme, 0),
        database=database,
    )


def _shown(url: str) -> str:
    """As much of a refused address as can hold no password."""
    if _HARMLESS.fullmatch(url):
        return repr(url)
    scheme, separator, _ = url.partition("://")
    known = separator and scheme in (*_PORTS, "sqlite")
    return f"{scheme}://..." if known else "(not repeated here: it may hold a password)"


def from_environment() -> tuple[Address, str]:
    """The address and the password that the environment names.

    Raises:
        MetadataError: it names none, or one that is no address.
    """
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        raise errors.MetadataError(
            f"{URL_VARIABLE}: is not set. Wanted {_FORMS}; the compiler sets it from "
            "kubeflow.metadata.url."
        )
    return parse(url), password_from_environment()


def password_from_environment() -> str:
    """The password, or an empty text for a database that asks for none."""
    return os.environ.get(PASSWORD_VARIABLE, "")


def connection_config(
    address: Address, password: str, create: bool = False
) -> metadata_store_pb2.ConnectionConfig:
    """What ML Metadata connects with.

    Args:
        create: make the database, if it is not there.
    """
    found = metadata_store_pb2.ConnectionConfig()
    if address.scheme == "sqlite":
        found.sqlite.filename_uri = address.database
        found.sqlite.connection_mode = (
            metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
            if create
            else metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE
        )
    elif address.scheme == "mysql":
        found.mysql.host = address.host
        found.mysql.port = address.port
        found.mysql.user = address.user
        found.mysql.password = password
        found.mysql.database = address.database
        found.mysql.skip_db_creation = not create
    else:
        found.postgresql.host = address.host
        found.postgresql.port = str(address.port)
        found.postgresql.user = address.user
        found.postgresql.password = password
        found.postgresql.dbname = address.database
        found.postgresql.skip_db_creation = not create
    return found


def connect(
    address: Address, password: str, create: bool = False
) -> metadata_store.MetadataStore:
    """Opens the database; an empty one gets ML Metadata's tables.

    Raises:
        MetadataError: naming what keeps it from being used.
    """
    _require_answer(address, create)
    config = connection_config(address, password, create)
    for attempt in range(_TRIES_OF_A_SCHEMA):
        try:
            return open_store(config)
        except (RuntimeError, ml_errors.StatusError) as error:
            reason = " ".join(str(error).split())
        being_made = any(sign in reason for sign in _BEING_MADE)
        if not being_made or attempt == _TRIES_OF_A_SCHEMA - 1:
            break
        time.sleep(1.0)
    raise errors.MetadataError(f"{address.url}: {_explain(address, password, reason)}")


def open_store(
    config: metadata_store_pb2.ConnectionConfig,
) -> metadata_store.MetadataStore:
    """Opens the database, without explaining what keeps it from being used."""
    if config.HasField("postgresql"):
        return postgresql_store.Store(config)
    return metadata_store.MetadataStore(config)


def wait(address: Address, password: str, seconds: float) -> None:
    """Waits until the server answers, and makes database and tables if need be.

    Raises:
        MetadataError: it does not answer in time, or cannot be used.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            _require_answer(address, create=True)
            break
        except errors.MetadataError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(min(2.0, seconds))
    connect(address, password, create=True)


def _require_answer(address: Address, create: bool) -> None:
    if address.scheme == "sqlite":
        path = pathlib.Path(address.database)
        missing = path.parent if create else path
        if not missing.exists():
            raise errors.MetadataError(
                f"{address.url}: {missing} is not there. Name another, or mount the "
                "volume that holds it."
            )
        return
    place = (address.host, address.port)
    try:
        socket.create_connection(place, timeout=_SECONDS_TO_ANSWER).close()
    except socket.gaierror:
        problem = f"no host has the name {address.host}"
    except OSError as error:
        problem = f"{address.host}:{address.port} does not answer: {error}"
    else:
        return
    raise errors.MetadataError(
        f"{address.url}: {problem}. See that the database runs and that this machine "
        "may reach it (`kubectl get service,pods`; from a laptop, `kubectl "
        "port-forward` and 127.0.0.1 in the URL)."
    )


def _explain(address: Address, password: str, reason: str) -> str:
    versions = _VERSIONS.search(reason)
    if versions:
        return (
            f"holds ML Metadata of schema version {versions[1]}, and this release "
            f"wants version {versions[2]}. Name an empty database, use the release "
            "that made this one, or back it up and let ml_metadata upgrade it once "
            "(MetadataStore(config, enable_upgrade_migration=True))."
        )
    if "subset of tables" in reason:
        return (
            "some of ML Metadata's tables are there and some are not: making them was "
            "cut off, or another program uses the database. Drop it, or name another."
        )
    if _NOT_LET_IN.search(reason):
        given = "the password given" if password else "no password"
        return (
            f"the server answers and does not let user {address.user} with {given} "
            f"into {address.database}: wrong {PASSWORD_VARIABLE}, no such user or no "
            "such database. For MySQL 8 the user must be made `IDENTIFIED WITH "
            "mysql_native_password`."
        )
    if "Access denied" in reason:
        return (
            f"user {address.user} may not use {address.database}. GRANT ALL on it to "
            "that user."
        )
    hidden = reason.replace(password, "***") if password else reason
    return f"cannot be used as ML Metadata: {hidden[:400]}"
