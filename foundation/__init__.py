"""What every storey stands on and nothing of ours stands under.

Errors that end a command with one line, places of artifacts (folders or `gs://`),
progress, the base of configuration sections, drawings, pages and terminal text. In come
paths, texts and pixels; out come the same, made safe or whole. Nothing here knows COCO,
the network, TFX or a command, and every other package may use all of it.
"""

__all__ = [
    "artifact_paths",
    "artifact_trees",
    "background",
    "config_section",
    "console",
    "drawing",
    "errors",
    "html_page",
    "output_folder",
    "progress",
    "terminal_text",
]
