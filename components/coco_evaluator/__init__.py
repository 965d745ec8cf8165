"""CocoEvaluator: scores what would be served, and blesses it or refuses.

In come examples, the exported model and, if there is one, the latest blessed model; out
come an evaluation (JSON, CSV, TFMA) and a blessing with its reason. `coco_metrics`
computes mask AP, `blessing_rules` decides on the thresholds of `evaluator_settings`.
`m2f evaluate` uses the same metrics, ground truth and predictor on other data.
"""

__all__ = [
    "coco_metrics",
    "component",
    "evaluator_settings",
    "executor",
    "ground_truth",
    "predictor",
]
