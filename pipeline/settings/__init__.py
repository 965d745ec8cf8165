"""The configuration: one YAML file becomes one frozen, checked model.

`config_file` takes a file or a preset and `--set` overrides and gives a
`config.PipelineConfig`, or an error that names key, value and what would be accepted.
The sections `run` and `kubeflow` are defined here; those of the network and of the
nodes stand beside the code that they are for, and `config` puts them together.
"""

__all__ = ["beam_arguments", "config", "config_file", "data_roots", "kubeflow_config"]
