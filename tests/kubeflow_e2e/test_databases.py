import contextlib
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse

import pytest

PROGRAM = (
    "import sys, time\n"
    "sys.path[:0] = sys.argv[2:]\n"
    "import databases\n"
    "with databases.serving(sys.argv[1]) as url:\n"
    "    print(url, flush=True)\n"
    "    time.sleep(600)\n"
)


def answers(address):
    with contextlib.suppress(OSError):
        socket.create_connection(address, timeout=5).close()
        return True
    return False


@pytest.mark.parametrize("name", ["mariadb", "postgresql"])
def test_a_killed_test_leaves_no_server(name, missing_database):
    if missing_database(name):
        pytest.skip(missing_database(name))
    here = pathlib.Path(__file__).parent
    places = [str(here), str(here.parent / "support")]
    test = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, name, *places], stdout=subprocess.PIPE
    )
    url = urllib.parse.urlsplit(test.stdout.readline().decode())
    address = (url.hostname, url.port)
    assert answers(address)
    test.kill()
    test.wait()
    deadline = time.monotonic() + 30
    while answers(address) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(address)
