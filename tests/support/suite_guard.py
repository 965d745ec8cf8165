"""Ends a suite that cannot go on, with a failure that names the test.

pytest-xdist replaces a worker that died and then, with `--dist loadfile`, waits for
ever for tests that nobody runs; and no limit of a single test ends a suite in which
many are slow. A test that hangs where Python cannot interrupt it is ended by
`faulthandler_timeout` (pyproject.toml), which makes it a worker that died.
"""

import signal

import pytest

SECONDS_A_MINUTE = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--suite-minutes`."""
    parser.addoption(
        "--suite-minutes",
        type=float,
        default=60.0,
        help="end a suite of several workers as failed after so many minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Guards the process that hands tests to workers; a worker is not guarded."""
    minutes = config.getoption("suite_minutes")
    if not minutes > 0.0:
        raise pytest.UsageError(f"--suite-minutes is {minutes:g}, wanted more than 0")
    has_workers = config.getoption("dist", "no") != "no"
    if has_workers and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SuiteGuard(minutes))


class SuiteGuard:
    """Watches over the tests that the workers run."""

    def __init__(self, minutes: float):
        self._minutes = minutes
        self._running: list[str] = []
        self._dead_worker = ""

    def pytest_sessionstart(self) -> None:
        """Sets the alarm."""
        signal.signal(signal.SIGALRM, self._end_for_time)
        signal.setitimer(signal.ITIMER_REAL, self._minutes * SECONDS_A_MINUTE)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """No alarm while failures are shown; no success when a worker died."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._dead_worker:
            print(f"worker {self._dead_worker} died; {self._tests()}")
            session.exitstatus = 1

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A worker begins a test."""
        self._end_after_death()
        self._running.append(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A worker has ended a test."""
        if nodeid in self._running:
            self._running.remove(nodeid)

    def pytest_testnodedown(self, node, error: object | None) -> None:
        """A worker is gone; with an error, if it died."""
        if error is not None and error != "keyboard-interrupt":
            self._dead_worker = node.gateway.id

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first report after a death is that of the test that was running."""
        self._end_after_death()

    def _end_after_death(self) -> None:
        if self._dead_worker:
            raise pytest.exit.Exception(
                f"worker {self._dead_worker} died; {self._tests()}", returncode=1
            )

    def _end_for_time(self, *_: object) -> None:
        raise pytest.exit.Exception(
            f"the suite was not done after {self._minutes:g} minutes; {self._tests()}",
            returncode=1,
        )

    def _tests(self) -> str:
        return f"running were: {', '.join(self._running) or 'no tests'}"
