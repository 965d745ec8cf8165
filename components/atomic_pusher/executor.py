"""Executor of the Pusher: TFX's own, with the version appearing in one step."""

from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from components import wire
from components.atomic_pusher import staging
from foundation import artifact_paths, artifact_trees


class Executor(executor.Executor):
    """Pushes a blessed model; a killed push leaves no version that looks finished."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        artifact = artifact_utils.get_single_instance(output_dict[wire.PUSHED_MODEL])
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        base = artifact_paths.of(destination.filesystem.base_directory)
        pushed = artifact_paths.of(artifact.uri)
        destination.filesystem.base_directory = str(staging.begin(pushed, base))
        staged = proto_utils.proto_to_json(destination)
        try:
            super().Do(
                input_dict, output_dict, {**exec_properties, "push_destination": staged}
            )
            if artifact.get_int_custom_property(wire.PUSHED) == 1:
                copied = artifact_paths.of(
                    artifact.get_string_custom_property(wire.PUSHED_DESTINATION)
                )
                # TFX's copying leaves out folders that a store refused to list.
                model = artifact_paths.of(self.GetModelPath(input_dict))
                for copy in (copied, pushed):
                    artifact_trees.check_copy(copy, model)
                version = staging.finish(pushed, copied)
                artifact.set_string_custom_property(
                    wire.PUSHED_DESTINATION, str(version)
                )
                artifact.set_string_custom_property(wire.PUSHED_VERSION, version.name)
            else:
                staging.undo(pushed.parents[1], pushed.name)
        except BaseException:
            staging.undo(pushed.parents[1], pushed.name)
            raise
