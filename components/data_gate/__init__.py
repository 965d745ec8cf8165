"""DataGate: stops the run when the data is not fit to train on.

In come anomalies, statistics (also those of the data before) and the ingestion report;
out comes `verdict.json`, or an error that names every failed check and the key that
would let it pass. `gate_settings` holds each check's severity and limit, `judgement`
makes all checks of what `measurements` has read, `decision` turns them into the
verdict.
"""

__all__ = [
    "checks",
    "component",
    "decision",
    "executor",
    "gate_settings",
    "judgement",
    "measurements",
]
