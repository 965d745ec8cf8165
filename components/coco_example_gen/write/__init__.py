"""Planned images become records, a shard at a time, on any number of workers.

`plans` cuts splits into shards and hands each over as a file; `shards` reads the
pictures of one, writes its TFRecords aside and moves all into place when the last is
done. `figures` counts what was stored, `stored_examples` finds single images again.
Running again gives the same bytes.
"""

__all__ = ["figures", "plans", "shards", "stored_examples"]
