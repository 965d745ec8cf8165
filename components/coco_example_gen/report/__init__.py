"""What ingestion tells: for programs, for the gate, and as one HTML page.

In come the layouts, the results of the shards and the log of problems. Out go
`summary.json`, whose presence says that all is complete, `problems.json` and
`report.html`, one file of bounded size that loads nothing. The gate reads the first
two, people the third; no stored record depends on this package.
"""

__all__ = ["ingestion_report", "report_page"]
