"""The command line: `m2f`, its options and its exit codes.

`cli`, `data_cli` and `kubeflow_cli` declare commands and options and import nothing
slow; `commands`, `data_commands` and `kubeflow_commands` do what they say, mostly by
calling `pipeline.tools`, `pipeline.local` and `pipeline.cluster`. Arguments come in;
out come lines on the terminal and an exit code, 0, 1, 2 or 130 (`cli_exit`). Nothing
imports it to compute.
"""

__all__ = ["cli"]
