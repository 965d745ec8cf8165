import pytest
import small_batches
import tensorflow as tf

from model.network import mask2former
from model.train import parts

STRATEGY = tf.distribute.get_strategy()


@pytest.fixture(scope="module")
def models(tiny_model_config):
    """Networks by the norm of their backbone."""
    made = {}
    for norm in ("group", "batch"):
        backbone = tiny_model_config.backbone.model_copy(update={"norm": norm})
        settings = tiny_model_config.model_copy(update={"backbone": backbone})
        made[norm] = mask2former.build(settings, 2)
    return made


def made(model, ask=lambda: None, **changes):
    recipe = small_batches.settings(**changes)
    return parts.Parts.made_for(model, recipe, STRATEGY, ask)


def test_there_are_no_averages_and_no_validation_unless_they_are_asked_for(models):
    plain = made(models["group"], validation={"every_steps": 0})
    assert (plain.averages, plain.validation) == (None, None)
    assert set(plain.state.facts()) == {"cost"}
    assert made(models["group"], ask=None).validation is None


def test_what_changes_is_averaged_and_saved_with_the_rest(models):
    for norm, statistics in (("group", 0), ("batch", 2 * 20)):
        model = models[norm]
        both = made(model, ema_decay=0.5)
        averaged = both.averages.variables
        trained = {weight.path for weight in model.trainable_variables}
        assert trained <= set(averaged)
        others = set(averaged) - trained
        assert all(path.endswith(("moving_mean", "moving_variance")) for path in others)
        assert len(others) == statistics  # of ResNet-18's 20 norms
        facts = both.state.facts()
        assert facts.pop("cost")["attempts"] == 1
        assert facts == {"averages": {"decay": 0.5}, "validation": []}
