"""A model that says what its training cost, and what users are told of it."""

import json

COST = {
    "attempts": 2,
    "seconds": 90.0,
    "device_seconds": 180.0,
    "images_per_second": 2.5,
    "waiting_share": 0.25,
    "matching_share": 0.125,
    "peak_memory_bytes": 3_000_000_000,
    "peak_device_bytes": None,
}
TOLD = "90 s in 2 attempts, 180 device seconds, 2.5 images/s, 25.0% waiting for data"


def telling_model(folder):
    """What is left of a served model that says what its training cost."""
    extra = folder / "assets.extra"
    extra.mkdir(parents=True)
    info = {"training": json.dumps({"cost": COST})}
    (extra / "info.json").write_text(json.dumps(info))
