import os
import subprocess
import sys


def test_everything_but_the_console_goes_to_the_log(tmp_path):
    log = tmp_path / "log"
    program = (
        "import os, pathlib, sys\n"
        "from foundation import console\n"
        f"with console.quiet(pathlib.Path({str(log)!r})) as terminal:\n"
        "    print('from python')\n"
        "    os.write(2, b'from C++\\n')\n"
        "    os.system('echo from a child')\n"
        "    terminal.print('for the user')\n"
        "print('after')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert done.stdout == "for the user\nafter\n"
    assert done.stderr == ""
    assert log.read_text() == "from python\nfrom C++\nfrom a child\n"
