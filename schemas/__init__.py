"""What data must look like, as files: no code.

`coco_examples.pbtxt` is the curated schema of stored examples, which ExampleValidator
and the gate hold statistics against. `coco_instances.schema.json` describes the
annotation files that are read. Whoever needs one asks
`importlib.resources.files("schemas")`.
"""

__all__ = []
