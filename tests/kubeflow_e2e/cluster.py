"""Stands in for a cluster: KFP's local orchestrator with what it does not do.

KFP's own code loads the compiled file, orders the tasks, passes parameters and resolves
placeholders. Its subprocess runner refuses containers, gives them no environment and
does not retry; that is done here as the compiled file says.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
from unittest import mock

import yaml
from kfp import components, local
from kfp.local import status, subprocess_task_handler

from pipeline.cluster import kubeflow_names

_AT_WORK = re.compile("Going to run a new execution:|Running as an resolver node")


class Cluster:
    """Runs one compiled file.

    Attributes:
        attempts: (task, exit code) of every container that was started, in order.
        output: what the containers printed.
        half_pushed: names in the folder of versions after each killed Pusher.
    """

    def __init__(
        self,
        compiled: pathlib.Path,
        environment: dict[str, str],
        serving: pathlib.Path,
        signals: tuple[signal.Signals, ...] = (),
    ):
        """Reads a compiled file.

        Args:
            environment: what Services and Secrets of a cluster resolve to.
            serving: folder of the pushed models, watched while the Pusher runs.
            signals: each node is sent these, one an attempt, while it is at work.
        """
        self.attempts: list[tuple[str, int]] = []
        self.output: list[str] = []
        self.half_pushed: list[list[str]] = []
        self._compiled = compiled
        self._environment = environment
        self._serving = serving
        self._signals = signals
        self._retries = _retries(compiled)

    def run(self, folder: pathlib.Path, **arguments: str) -> None:
        """Runs all tasks; raises when one failed for good."""
        _Handler.cluster = self
        runner = local.SubprocessRunner(use_venv=False)
        local.init(runner=runner, pipeline_root=str(folder))
        pipeline = components.load_component_from_file(str(self._compiled))
        with mock.patch.object(
            subprocess_task_handler, "SubprocessTaskHandler", _Handler
        ):
            pipeline(**arguments)

    def run_container(self, command: list[str]) -> status.Status:
        """Runs a container as often as the compiled file allows."""
        task = command[command.index("--node-id") + 1] if "--node-id" in command else ""
        for attempt in range(
            1 + self._retries[kubeflow_names.task_name(task or "prepare")]
        ):
            wanted = self.signal(task, attempt)
            code = self._attempt(command, task, wanted)
            self.attempts.append((task or "prepare", code))
            if task == "Pusher" and code:
                self.half_pushed.append(self.pushed())
            if code == 0:
                return status.Status.SUCCESS
        return status.Status.FAILURE

    def _attempt(
        self, command: list[str], task: str, wanted: signal.Signals | None
    ) -> int:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self._environment},
        )
        reader = threading.Thread(target=self._read, args=(process, task), daemon=True)
        first_line = len(self.output)
        reader.start()
        if wanted is not None:
            self.wait_until_at_work(process, task, first_line)
            _send(process, wanted)
        code = process.wait()
        reader.join(timeout=10)
        return code

    def _read(self, process: subprocess.Popen, task: str) -> None:
        for line in process.stdout:
            self.output.append(line.rstrip())

    def signal(self, task: str, attempt: int) -> signal.Signals | None:
        """What an attempt is sent while it is at work."""
        return self._signals[attempt] if attempt < len(self._signals) else None

    def pushed(self) -> list[str]:
        """Names of what there is beside the pushed versions, and of them."""
        return sorted(path.name for path in self._serving.glob("*/*"))

    def wait_until_at_work(
        self, process: subprocess.Popen, task: str, first_line: int
    ) -> None:
        """Waits for the node's executor; for the Pusher's, until it copies."""
        if not task:  # `prepare` has no node
            time.sleep(2.0)
            return
        log, at_work = None, False
        while process.poll() is None:
            time.sleep(0.002)
            if at_work:
                if task != "Pusher" or any(self._serving.glob("*/.pushing-*/*")):
                    return
            elif log is None:
                said = [line for line in self.output[first_line:] if ": log " in line]
                log = pathlib.Path(said[0].split(": log ")[1]) if said else None
            elif log.is_file():
                at_work = _AT_WORK.search(log.read_text(errors="replace")) is not None


def _send(process: subprocess.Popen, wanted: signal.Signals) -> None:
    """Signals a container as Kubernetes does.

    SIGTERM goes to its first process, SIGKILL to all of them at once.
    """
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    started = children.read_text().split() if process.poll() is None else []
    process.send_signal(wanted)
    if wanted == signal.SIGKILL:
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)


class _Handler(subprocess_task_handler.SubprocessTaskHandler):
    """KFP's handler of subprocesses without its refusal of containers."""

    cluster: Cluster

    def validate_image(self, image):
        pass

    def validate_not_container_component(self, full_command):
        pass

    def run(self):
        return self.cluster.run_container(self.full_command)


def _retries(compiled: pathlib.Path) -> dict[str, int]:
    """Retries of each task, by its name, as the compiled file has them."""
    spec = next(yaml.safe_load_all(compiled.read_text()))
    tasks = spec["root"]["dag"]["tasks"].values()
    return {
        task["taskInfo"]["name"]: task["retryPolicy"]["maxRetryCount"] for task in tasks
    }
