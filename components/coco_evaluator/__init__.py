"""CocoEvaluator: scores what would be served, and blesses it or refuses.

In come examples, the exported model and, if there is one, the latest blessed model; out
come an evaluation (JSON, CSV, TFMA) and a blessing with its reason. `blessing_rules`
decides on the thresholds of `evaluator_settings`; the metrics are `model.evaluation`'s.
"""

__all__ = ["component", "evaluator_settings", "executor"]
