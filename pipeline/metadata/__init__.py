"""The ML Metadata database: its address, its connection, and what it says.

`metadata_url` takes `sqlite:`, `mysql:` or `postgresql:` addresses and refuses a
database that cannot be used; `metadata_handle` opens one for TFX. `store` answers
questions: which node made which artifact from what. Nothing is written through `store`.
"""

__all__ = ["metadata_handle", "metadata_url", "store"]
