"""From stored records to batches, and the keys that both sides agree on.

`features` is the only owner of the keys of a stored example, `mask_rle` of run lengths,
`categories` of class indices, `record_files` of how records are stored; `survey` looks
at some. `preprocessing` is Transform's entry: records come in, class counts and the
decode-resize-normalise graph go out, shared by training, evaluation and serving.
`dataset` takes records and a seed and gives the same batches every time.
"""

__all__ = [
    "categories",
    "dataset",
    "features",
    "mask_rle",
    "preprocessing",
    "record_files",
    "survey",
]
