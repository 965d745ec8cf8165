"""Which nodes of the graph act outside of their outputs, and who takes that back.

Light on purpose, as `pipeline.nodes.executions` is.
"""

from components.atomic_pusher import staging
from model.train import unfinished
from pipeline.nodes import clean_up

BY_NODE: clean_up.CleanUps = {
    "Pusher": staging,
    "Trainer": unfinished,
    "Tuner": unfinished,
}
