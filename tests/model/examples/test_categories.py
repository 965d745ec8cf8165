import tensorflow as tf

from model.examples import categories


def test_class_index_ascends_by_category_id_not_by_frequency():
    table = categories.from_vocabulary(["9 22:dog\n", "5 3:a cat\n", "1 7:x:y\n"])
    assert [(c.category_id, c.name, c.training_count) for c in table] == [
        (3, "a cat", 5),
        (7, "x:y", 1),
        (22, "dog", 9),
    ]


def test_lookup_gives_the_index_and_minus_one_for_an_unknown_id():
    table = categories.from_vocabulary(["9 22:dog", "5 3:cat"])
    lookup = categories.class_index_lookup(table)
    assert lookup.lookup(tf.constant([22, 3, 4], tf.int64)).numpy().tolist() == [
        1,
        0,
        -1,
    ]


def test_token_survives_the_vocabulary_round_trip():
    token = categories.vocabulary_token(tf.constant([18]), tf.constant(["hot dog"]))
    line = f"4 {token[0].numpy().decode()}"
    assert categories.from_vocabulary([line]) == [categories.Category(18, "hot dog", 4)]


def test_table_written_is_table_read(tmp_path):
    table = [categories.Category(3, "Kätzchen", 5), categories.Category(4, "", 0)]
    categories.write_table(table, tmp_path / "t.json")
    assert categories.read_table(tmp_path / "t.json") == table
