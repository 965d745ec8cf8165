"""The Pusher: a blessed model appears as a whole version, or not at all.

In come a model and the blessings of both judges; out comes
`serving/<model>/<version>/`, in a folder by one rename, in an object store file by file
with `saved_model.pb` last. `staging` begins, finishes and undoes a push, also one that
another process was killed in; `objects` is its way into an object store.
"""

__all__ = ["component", "objects", "staging"]
