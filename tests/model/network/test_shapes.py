from model.network import shapes


def test_only_the_last_axis_changes():
    assert shapes.with_channels((2, None, 5, 3), 64) == (2, None, 5, 64)
