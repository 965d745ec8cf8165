import tensorflow as tf

from model.train import curves


def drawn(folder):
    """Steps of the curve `loss`, in the order in which TensorBoard reads them."""
    found = []
    for path in sorted(folder.iterdir(), key=str):
        if not path.name.startswith("events"):
            continue
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found += [event.step for v in event.summary.value if v.tag == "loss"]
    return found


def draw(folder, start, stop, is_closed=True):
    made = curves.Curves(folder, start)
    for step in range(start + 1, stop + 1):
        made.scalars(step, {"loss": float(step), "rate": 0.5})
    made.close(stop) if is_closed else made.flush(stop)


def test_after_restarts_every_step_stands_once_and_in_order(root):
    draw(root / "run", 0, 6)
    draw(root / "run", 4, 9)  # the checkpoint was that of step 4
    draw(root / "run", 4, 5)
    draw(root / "run", 5, 7)
    assert drawn(root / "run") == [1, 2, 3, 4, 5, 6, 7]


def test_what_was_never_checkpointed_is_drawn_anew_from_the_start(tmp_path):
    draw(tmp_path, 0, 3)
    draw(tmp_path, 0, 2)
    assert drawn(tmp_path) == [1, 2]


def test_a_file_cut_off_amid_a_point_keeps_those_before_it(tmp_path):
    draw(tmp_path, 0, 6)
    (events,) = tmp_path.iterdir()
    events.write_bytes(events.read_bytes()[:-5])
    draw(tmp_path, 5, 8)
    assert drawn(tmp_path) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_ended_before_the_old_files_were_removed_nothing_is_drawn_twice(tmp_path):
    draw(tmp_path, 0, 4)
    (old,) = tmp_path.iterdir()
    content = old.read_bytes()
    curves.Curves(tmp_path, 3).close(3)
    old.write_bytes(content)
    draw(tmp_path, 3, 5)
    assert drawn(tmp_path) == [1, 2, 3, 4, 5]


def test_pictures_and_other_points_stay_too(tmp_path):
    made = curves.Curves(tmp_path, 0)
    with made._writer.as_default(step=2):
        tf.summary.image("pictures", tf.zeros([1, 2, 2, 3]))
    made.close(2)
    curves.Curves(tmp_path, 2).close(2)
    tags = {
        value.tag
        for path in tmp_path.iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert tags == {"pictures"}


def test_who_is_not_to_draw_writes_nothing(tmp_path):
    made = curves.Curves(tmp_path / "run", 0, is_kept=False)
    made.scalars(1, {"loss": 1.0})
    made.flush(1)
    made.close(1)
    assert not (tmp_path / "run").exists()
