"""The smallest configuration that goes through the whole graph."""

# Overrides of demo.yaml.
OVERRIDES = (
    "name=tiny",
    "serve.model_name=tiny",
    "train.steps=2",
    "train.batch_size=2",
    "train.warmup_steps=1",
    "train.augment.crop_size=64",
    "train.loss.num_points=64",
    "data.short_side=64",
    "data.long_side=64",
    "data.pad_multiple=64",
    "model.decoder.num_layers=1",
    "model.decoder.num_queries=5",
    "model.pixel_decoder.num_encoder_layers=1",
    "evaluate.min_mask_ap=0.0",
)
