"""What a prediction costs: matching with the ground truth, then the losses.

In come the predictions of `model.network` and padded targets (classes [B, N], masks [B,
N, S, S]); out come the loss terms, each divided by a count that follows from ground
truth alone, so that micro-batches add up to the big batch. `criterion` is the whole of
it, `matcher` pairs queries with instances on the host; `balance` weighs rare classes.
"""

__all__ = ["balance", "criterion", "matcher"]
