"""The training loop, over one device or several machines.

In come a network, batches and `config.TrainConfig`; out come trained weights,
TensorBoard curves and checkpoints that an interrupted training goes on from. `trainer`
is the loop, `checkpoints` keeps its `state`, `unfinished` the folder of that until the
node is done; `length` says how many steps there are, `expectations` what is likely to
come of them, from what `forecast` collects; `cluster` says who is who among several
processes, and `train_worker` is run with -m by each pod that trains along.
"""

__all__ = [
    "cluster",
    "cost",
    "expectations",
    "forecast",
    "length",
    "score",
    "starting_point",
    "train_worker",
    "trainer",
    "unfinished",
]
