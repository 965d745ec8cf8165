"""How a node takes back what it did outside of its outputs: the node hands that in."""

from collections.abc import Mapping
from typing import Protocol

from foundation import artifact_paths


class CleanUp(Protocol):
    """Of one node; a module with these two functions is one.

    Arguments of both: the folder that holds the node's outputs,
    `<folder>/<output key>/<execution id>`, and the id of the execution.
    """

    def undo(self, node_folder: artifact_paths.Path, execution_id: int) -> None:
        """Takes back what an execution did that did not become complete.

        Raises:
            OSError: something of it is left; it is called again.
        """

    def forget(self, node_folder: artifact_paths.Path, execution_id: int) -> None:
        """Removes what `undo` would need, once the execution is complete."""


CleanUps = Mapping[str, CleanUp]  # by node id; most nodes need none
