import dataclasses
import json

import pytest

from benchmarks import real_data
from pipeline.settings import config_file

_RUN = real_data.Run(
    "nuts", "small.yaml", 0, 0.5, 0.7, 0.4, 900, 1200, 20.0, 4, "a machine", 2.0
)


def test_a_line_has_the_mean_and_every_repeat():
    runs = [
        _RUN,
        dataclasses.replace(_RUN, seed=2, mask_ap=0.75, minutes=30.0),
        dataclasses.replace(_RUN, seed=1, mask_ap=0.25, minutes=10.0),
    ]
    row = "| nuts | 4 | small.yaml | 3 | **0.500** | 0.500, 0.250, 0.750 | 0.700 | "
    assert f"{row}0.400 | 900 of 1200 | 20, 10, 30 | 2.0, 2.0, 2.0 |" in real_data.page(
        runs
    )


def test_variants_of_a_set_stand_together_as_they_are_listed():
    runs = [
        dataclasses.replace(_RUN, name=name, variant=variant)
        for variant in ("without averages", "random weights", "small.yaml")
        for name in ("nuts", "facade")
    ]
    rows = [each for each in real_data.page(runs).splitlines() if "900 of" in each]
    found = [tuple(row.split(" | ")[each] for each in (0, 2)) for row in rows]
    names = ["small.yaml", "random weights", "without averages"]
    assert found == [(f"| {s}", v) for s in ("facade", "nuts") for v in names]


def test_repeats_of_another_length_are_another_line():
    runs = [_RUN, dataclasses.replace(_RUN, steps=600, step=550)]
    found = real_data.page(runs)
    assert found.index("900 of 1200") < found.index("550 of 600")


def test_runs_are_read_back_as_they_were_stored(tmp_path):
    text = json.dumps(dataclasses.asdict(_RUN))
    (tmp_path / "nuts-small.yaml-0.json").write_text(text)
    assert real_data.stored(tmp_path) == [_RUN]


@pytest.mark.parametrize("variant", real_data.VARIANTS)
def test_every_variant_is_a_configuration(variant):
    changed = config_file.load(str(real_data.SMALL), real_data.VARIANTS[variant])
    plain = config_file.load(str(real_data.SMALL), [])
    assert (changed == plain) == (variant == "small.yaml")
