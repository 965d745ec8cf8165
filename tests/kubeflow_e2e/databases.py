"""Private database servers on loopback, gone when the test is."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import tied

USER = "m2f"
PASSWORD = "a-password-of-this-test"  # noqa: S105
NAMES = ("mariadb", "postgresql")


def missing(name: str) -> str:
    """What has to be installed for a server to start; empty when nothing."""
    if name == "mariadb":
        found = shutil.which("mariadbd") and shutil.which("mariadb-install-db")
        return (
            "" if found else "MariaDB is not installed: apt-get install mariadb-server"
        )
    found = _postgresql_program("initdb")
    return "" if found else "PostgreSQL is not installed: apt-get install postgresql"


@contextlib.contextmanager
def serving(name: str) -> Iterator[str]:
    """Runs a server and yields its URL, without password and database name."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"m2f-{name}-"))
    account = {"mariadb": "mysql", "postgresql": "postgres"}[name]
    as_account = []
    if os.geteuid() == 0:  # neither server starts as root
        shutil.chown(folder, account)
        as_account = ["runuser", "-u", account, "--"]
    start = {"mariadb": _start_mariadb, "postgresql": _start_postgresql}[name]
    port = _free_port()
    server = start(folder, port, as_account)
    try:
        _wait_for(port, server)
        if name == "mariadb":
            _make_user(folder)
        scheme = {"mariadb": "mysql", "postgresql": "postgresql"}[name]
        yield f"{scheme}://{USER}@127.0.0.1:{port}"
    finally:
        tied.stop(server)


def _start_mariadb(
    folder: pathlib.Path, port: int, as_account: list[str]
) -> subprocess.Popen:
    data = f"--datadir={folder / 'data'}"
    install = ["mariadb-install-db", "--no-defaults", data, "--skip-test-db"]
    install += ["--auth-root-authentication-method=normal"]
    _run([*as_account, *install])
    command = ["mariadbd", "--no-defaults", data, f"--port={port}"]
    command += [f"--socket={folder / 'socket'}", "--bind-address=127.0.0.1"]
    command += ["--innodb-flush-log-at-trx-commit=0"]
    return _background(folder, [*as_account, *command])


def _make_user(folder: pathlib.Path) -> None:
    statements = (
        f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';"
        f"GRANT ALL ON `{USER}\\_%`.* TO {USER}@'%';"
    )
    client = ["mariadb", "--no-defaults", f"--socket={folder / 'socket'}"]
    _run([*client, "--user=root", f"--execute={statements}"])


def _start_postgresql(
    folder: pathlib.Path, port: int, as_account: list[str]
) -> subprocess.Popen:
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    data = str(folder / "data")
    initdb = [_postgresql_program("initdb"), "--no-sync", f"--pgdata={data}"]
    initdb += ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}"]
    _run([*as_account, *initdb])
    command = [_postgresql_program("postgres"), "-D", data, "-p", str(port), "-F"]
    command += ["-c", "listen_addresses=127.0.0.1"]
    command += ["-c", f"unix_socket_directories={folder}"]
    return _background(folder, [*as_account, *command])


def _postgresql_program(name: str) -> str | None:
    installed = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return shutil.which(name) or max(map(str, installed), default=None)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr}")


def _background(folder: pathlib.Path, command: list[str]) -> subprocess.Popen:
    quiet = subprocess.DEVNULL
    return tied.start(command, remove=folder, stdout=quiet, stderr=quiet)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with code {server.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not answer within a minute")
