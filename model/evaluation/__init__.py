"""How good a network is: COCO's mask AP on stored examples.

In come the record files of a split and whatever detects in images; out come COCO ground
truth, COCO results and the metrics. CocoEvaluator decides on them, the Trainer follows
them while it trains, and `m2f evaluate` computes them on other data: one code, so the
numbers are the same. `judge` asks a network that is still being trained.
"""

__all__ = ["coco_metrics", "ground_truth", "judge", "predictor"]
