"""ServingValidator: asks the exported model in a clean process, as a server would.

In come the model and examples; out comes a blessing with a report of every request.
`probe` runs in a process of its own with nothing but TensorFlow, `sandbox` starts it
and brings the answers back, `answer_checks` holds them against the contract of the
signatures. A model that cannot be loaded, or answers out of contract, is not pushed.
"""

__all__ = ["component", "executor"]
