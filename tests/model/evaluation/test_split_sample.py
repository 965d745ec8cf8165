import collections

from model.evaluation import split_sample

TRUTH = {
    "images": [{"id": number} for number in (4, 7, 9)],
    "annotations": [
        {"id": 1, "image_id": 7},
        {"id": 2, "image_id": 9},
        {"id": 3, "image_id": 9},
    ],
    "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
}


def test_a_split_that_is_small_enough_is_taken_whole():
    assert split_sample.draw([9, 4, 7], 3, seed=0) == [4, 7, 9]
    assert split_sample.draw([9, 4, 7], 50, seed=0) == [4, 7, 9]


def test_the_same_seed_draws_the_same_and_another_draws_others():
    ids = range(1000)
    first = split_sample.draw(ids, 20, seed=3)
    assert first == split_sample.draw(reversed(ids), 20, seed=3)
    assert len(set(first)) == 20 and first == sorted(first)
    assert len(set(first) & set(split_sample.draw(ids, 20, seed=4))) < 5


def test_an_image_that_goes_is_replaced_and_the_others_stay():
    before = split_sample.draw(range(100), 10, seed=0)
    after = split_sample.draw(set(range(100)) - {before[0]}, 10, seed=0)
    assert set(before) - set(after) == {before[0]}
    assert len(after) == 10


def test_every_image_is_drawn_about_equally_often():
    drawn = collections.Counter(
        each for seed in range(400) for each in split_sample.draw(range(8), 2, seed)
    )
    assert set(drawn) == set(range(8))
    assert all(60 < count < 140 for count in drawn.values())  # 100, deviation 9


def test_ground_truth_is_cut_down_to_the_images_and_keeps_its_classes():
    part = split_sample.of_truth(TRUTH, [9, 4])
    assert [each["id"] for each in part["images"]] == [4, 9]
    assert [each["id"] for each in part["annotations"]] == [2, 3]
    assert part["categories"] == TRUTH["categories"]
    assert len(TRUTH["images"]) == 3
