"""The configuration: one frozen, checked model per concern."""

import json
from typing import Annotated

import pydantic

from components.coco_evaluator import evaluator_settings
from components.coco_example_gen import ingest_settings as ingest_settings
from components.data_gate import gate_settings as gate_settings
from foundation import config_section
from model import config as model_config
from model import image_sections, tune_section
from pipeline.settings import kubeflow_config, run_config


class DataConfig(ingest_settings.IngestSettings, image_sections.ImageConfig):
    """Where examples come from, what they must be like, and their size.

    Attributes:
        gate: what stops a run before training, and what is only told.
    """

    gate: gate_settings.GateConfig = gate_settings.GateConfig()

    def ingest_settings(self) -> ingest_settings.IngestSettings:
        """The part that ingestion depends on: a new image size must not ingest anew."""
        names = ingest_settings.IngestSettings.model_fields
        return ingest_settings.IngestSettings(
            **{name: getattr(self, name) for name in names}
        )


class ServeConfig(model_config.ExportConfig):
    """The exported model and where it is pushed.

    Attributes:
        model_name: models are pushed to a folder of this name.
        validation_requests: eval images the serving validator sends.
    """

    model_name: Annotated[
        str, pydantic.Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    ] = "model"
    validation_requests: config_section.PositiveInt = 3


class PipelineConfig(config_section.Section):
    """Everything a run depends on, apart from the data itself."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "custom"
    data: DataConfig = DataConfig()
    model: model_config.ModelConfig = model_config.ModelConfig()
    train: model_config.TrainConfig = model_config.TrainConfig()
    tune: tune_section.TuneConfig = tune_section.TuneConfig()
    evaluate: evaluator_settings.EvaluateConfig = evaluator_settings.EvaluateConfig()
    serve: ServeConfig = ServeConfig()
    run: run_config.RunConfig = run_config.RunConfig()
    kubeflow: kubeflow_config.KubeflowConfig = kubeflow_config.KubeflowConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "PipelineConfig":
        model_config.check_norm(self.model, self.train)
        trained = model_config.TrainerConfig(model=self.model, train=self.train)
        tune_section.check(self.tune, trained)
        return self

    def to_json(self) -> str:
        """Canonical JSON: equal configurations give equal strings."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)
