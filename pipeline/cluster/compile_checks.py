"""What no compiled file may hold, wherever it is to run, and how it is refused."""

import re
from collections.abc import Iterator, Mapping, Sequence

from foundation import errors
from pipeline.settings import config

_MOST_PROBLEMS = 20
# TOKENIZERS_PARALLELISM and a KMS_KEY, which is the name of a key, are none.
_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|(^|_)PASS(_|$)|SECRET|CREDENTIAL|TOKEN(_|$)"
    r"|(?<!KMS)(^|_|API)KEY(_|$)|CONNECTION_STRING",
    re.I,
)
_FILE_NAME = re.compile(r"(_FILE|_PATH|CREDENTIALS)$", re.I)


def refuse(place: str, problems: Sequence[str]) -> None:
    """Tells all problems in one error.

    Args:
        place: where it cannot run.

    Raises:
        ConfigError: there are problems.
    """
    if problems:
        shown = "\n  ".join(problems[:_MOST_PROBLEMS])
        raise errors.ConfigError(f"this cannot run on {place}:\n  {shown}")


def unknown_nodes(
    place: str, named: Mapping[str, object], known: Sequence[str]
) -> Iterator[str]:
    """Nodes that the configuration names and the compiled graph has not."""
    for name in named:
        if name not in known:
            yield (
                f"kubeflow.nodes.{name}: there is no such node on {place}. There are: "
                f"{', '.join(known)}."
            )


def template_problems(settings: config.PipelineConfig) -> Iterator[str]:
    """Text that would be replaced when the compiled file is run."""
    if "{{" in settings.to_json():
        yield "the configuration holds '{{', which is taken for a placeholder."


def secret_problems(settings: config.PipelineConfig, instead: str) -> Iterator[str]:
    """Values that look like secrets; the compiled file can be read by many.

    Args:
        instead: what to do with a secret.
    """
    named = {}
    for where, env in environments(settings).items():
        named |= {f"kubeflow.{where}.env.{name}": each for name, each in env.items()}
    for argument in settings.run.beam_args:
        option, _, value = argument.lstrip("-").partition("=")
        named[f"run.beam_args --{option}"] = value
    for where, value in named.items():
        name = re.split(r"[.\s]-*", where)[-1].replace("-", "_")
        is_file = _FILE_NAME.search(name) and value.startswith("/")
        if _SECRET_NAME.search(name) and not is_file:
            yield (
                f"{where}: looks like a secret, and would be readable in the compiled "
                f"file. {instead}"
            )


def environments(settings: config.PipelineConfig) -> dict[str, dict[str, str]]:
    """Environment variables in plain text, by the key below `kubeflow`."""
    cluster = settings.kubeflow
    found = {"defaults": cluster.defaults.env}
    return found | {f"nodes.{name}": node.env for name, node in cluster.nodes.items()}
