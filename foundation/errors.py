"""Exceptions that end a command with one clear line instead of a traceback."""


class UserError(Exception):
    """Something the user can put right: the message says what, where and how.

    The command line prints the message and exits with code 2.
    """


class ConfigError(UserError):
    """A configuration key or value that cannot be used."""


class CocoFormatError(UserError):
    """Annotation files that are not COCO, or contradict themselves."""


class DataGateError(UserError):
    """The data gate stopped the run; the message holds the table of failed checks."""


class WorkspaceError(UserError):
    """A workspace that cannot be written, or that another run is using."""


class MetadataError(UserError):
    """A metadata database that cannot be reached or used."""


class ModelFileError(UserError):
    """A path that holds no SavedModel made by this pipeline."""


class WeightsError(UserError):
    """Weights that cannot be read, or belong to another architecture."""


class PipelineError(Exception):
    """A failure that is not the user's: the command exits with code 1."""


class TrialError(PipelineError):
    """A training that failed for its settings: with others it may not."""


class Interrupted(PipelineError):
    """A signal ended the work, which is saved: called again, it goes on from there.

    The command exits with code 143, as one does that SIGTERM ends.
    """
