"""The graph on this machine, in a workspace.

In come a configuration and data folders; out come artifacts, a served model and a
closing summary, all below the one folder that `workspace` names and locks. `run_local`
runs node after node, `serving_folder` puts pushed versions back that somebody removed,
`summary` reads from the metadata store what was made and why.
"""

__all__ = ["run_local", "serving_folder", "summary", "workspace"]
