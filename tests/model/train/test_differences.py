from model.train import differences


def test_sections_become_dotted_keys():
    assert differences.flat({"a": {"b": {"c": 1}}, "d": [2]}) == {"a.b.c": 1, "d": [2]}


def test_what_changed_came_and_went_is_told_by_its_key():
    before, now = {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4}
    changes = differences.between(before, now)
    assert changes == [("b", 2, 5), ("c", 3, None), ("d", None, 4)]
    said = "b was 2 and is 5, c was 3 and is None, d was None and is 4"
    assert differences.told(changes) == said


def test_a_line_lists_five_changes_and_shortens_values():
    many = {f"k{i}": "x" * 100 for i in range(7)}
    said = differences.told(differences.between({}, many))
    assert said.endswith("k4 was None and is ..." + "x" * 57 + " and 2 more")
