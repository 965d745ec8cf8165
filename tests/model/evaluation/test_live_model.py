import numpy as np

from model.evaluation import live_model
from model.serve import saved_model

SHAPES = [(3, 4, 8, 12, 16), (22, 20, 0, 8, 12)]


def test_a_live_model_answers_as_the_exported_one(colour_model, exported):
    images = [
        colour_model.encode_png(colour_model.picture(shapes, size))
        for shapes, size in ((SHAPES, (32, 32)), ([], (16, 24)))
    ]
    live = live_model.LiveModel(colour_model.module())
    served = saved_model.load(exported)
    assert live.categories == served.categories
    for one, other in zip(
        live.predict_encoded(images), served.predict_encoded(images), strict=True
    ):
        assert one.coco_results(1) == other.coco_results(1)
    assert live.predict_encoded([]) == []


def test_it_answers_with_the_weights_of_the_moment(colour_model):
    module = colour_model.module()
    live = live_model.LiveModel(module)
    image = colour_model.encode_png(colour_model.picture(SHAPES))
    assert sorted(_sure(live, image)) == [3, 22]
    colours = module.variables[0]
    colours.assign(np.full(colours.shape, 1000.0, np.float32))  # like nothing there is
    assert _sure(live, image) == []


def _sure(live, image):
    (found,) = live.predict_encoded([image])
    return found.category_ids[found.scores > 0.5].tolist()
