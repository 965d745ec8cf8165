"""Which module of the project may invalidate the cached results of which nodes.

A module that is not in the table invalidates nothing: the command line, the compilers
and runners, the lineage, the pages and bars that only tell. A change of the table is
to be wanted: whoever adds a T has everybody train again when that module changes.
"""

import pytest

from pipeline.nodes import code_digest, module_code

NODES = {
    "I": "CocoExampleGen",
    "G": "DataGate",
    "X": "Transform",
    "U": "Tuner",
    "T": "Trainer",
    "E": "CocoEvaluator",
    "V": "ServingValidator",
}
TABLE = """
components.coco_evaluator.assessment                E
components.coco_evaluator.blessing_rules            E
components.coco_evaluator.evaluation_report         E
components.coco_evaluator.executor                  E
components.coco_evaluator.tfma_report               E
components.coco_evaluator.thresholds                E
components.coco_example_gen.driver                  I
components.coco_example_gen.executor                I
components.coco_example_gen.ingest_settings         I
components.coco_example_gen.ingestion               I
components.coco_example_gen.problems                IG
components.coco_example_gen.quoting                 IG
components.coco_example_gen.read.annotation_kinds   I
components.coco_example_gen.read.annotations        I
components.coco_example_gen.read.class_names        I
components.coco_example_gen.read.coco_json          I
components.coco_example_gen.read.consistency        I
components.coco_example_gen.read.json_faults        I
components.coco_example_gen.read.labelme            I
components.coco_example_gen.read.labelme_pictures   I
components.coco_example_gen.read.labelme_shapes     I
components.coco_example_gen.read.layout_finders     I
components.coco_example_gen.read.layouts            I
components.coco_example_gen.read.merging            I
components.coco_example_gen.read.panoptic           I
components.coco_example_gen.read.panoptic_masks     I
components.coco_example_gen.read.picture_formats    I
components.coco_example_gen.read.pictures           I
components.coco_example_gen.read.plain_jpegs        I
components.coco_example_gen.read.readers            I
components.coco_example_gen.read.sources            I
components.coco_example_gen.read.split_names        I
components.coco_example_gen.report.ingestion_report I
components.coco_example_gen.safe_paths              I
components.coco_example_gen.write.examples          I
components.coco_example_gen.write.figures           I
components.coco_example_gen.write.plans             I
components.coco_example_gen.write.shards            I
components.data_gate.checks                         G
components.data_gate.content_checks                 G
components.data_gate.decision                       G
components.data_gate.drift                          G
components.data_gate.executor                       G
components.data_gate.gate_settings                  G
components.data_gate.judgement                      G
components.data_gate.measurements                   G
components.serving_validator.answer_checks          V
components.serving_validator.executor               V
components.serving_validator.probe                  V
components.serving_validator.sandbox                V
components.serving_validator.stored_values          V
components.serving_validator.validation             V
components.wire                                     IGEV
foundation.artifact_paths                           UTEV
foundation.artifact_trees                           TV
foundation.background                               UT
foundation.config_section                           IGXUT
foundation.errors                                   IGUTEV
model.config                                        UT
model.evaluation.coco_metrics                       UTE
model.evaluation.ground_truth                       UTE
model.evaluation.judge                              UT
model.evaluation.live_model                         UT
model.evaluation.predictor                          UTE
model.evaluation.side_by_side                       UT
model.evaluation.split_sample                       UT
model.examples.augment                              UT
model.examples.categories                           XUTEV
model.examples.colour_jitter                        UT
model.examples.copy_paste                           UT
model.examples.dataset                              UT
model.examples.epochs                               UT
model.examples.features                             IGXUTE
model.examples.mask_crop                            UT
model.examples.mask_rle                             IUTEV
model.examples.picture_headers                      X
model.examples.preprocessing                        XUT
model.examples.record_files                         IUTEV
model.examples.repeat_factors                       UT
model.examples.rle_text                             IV
model.image_sections                                XUT
model.kernels.cell_sampling                         UT
model.kernels.compute_target                        UT
model.kernels.depthwise                             UT
model.kernels.point_sampling                        UT
model.kernels.products                              UT
model.kernels.row_parts                             UT
model.kernels.row_sums                              UT
model.kernels.sampling_layout                       UT
model.loss.balance                                  UT
model.loss.criterion                                UT
model.loss.loss_points                              UT
model.loss.losses                                   UT
model.loss.matcher                                  UT
model.network.attention                             UT
model.network.backbones                             UT
model.network.convolution                           UT
model.network.deformable_attention                  UT
model.network.efficientnet_lite                     UT
model.network.initializers                          UT
model.network.linear                                UT
model.network.mask2former                           UT
model.network.normalization                         UT
model.network.pixel_decoder                         UT
model.network.position_encoding                     UT
model.network.resnet                                UT
model.network.shapes                                UT
model.network.staged                                UT
model.network.swin                                  UT
model.network.swin_block                            UT
model.network.transformer_decoder                   UT
model.network.window_attention                      UT
model.run_fn                                        UT
model.serve.export                                  UTEV
model.serve.mask_drawing                            UT
model.serve.model_folder                            UTEV
model.serve.postprocess                             UTEV
model.serve.rle_encoding                            UT
model.serve.saved_model                             UTEV
model.train.averages                                UT
model.train.checkpoints                             UT
model.train.cluster                                 UT
model.train.cost                                    UT
model.train.curves                                  UT
model.train.differences                             UT
model.train.earlier_models                          UT
model.train.failures                                UT
model.train.host_memory                             UT
model.train.interruption                            UT
model.train.length                                  UT
model.train.loop                                    UT
model.train.manifest                                UT
model.train.optimizer                               UT
model.train.parts                                   UT
model.train.score                                   UT
model.train.starting_point                          UT
model.train.state                                   UT
model.train.train_worker                            T
model.train.trainer                                 UT
model.train.training_step                           UT
model.train.unfinished                              UT
model.train.validation                              UT
model.train_sections                                UT
model.training                                      UT
model.trials                                        U
model.tune_fn                                       U
model.tune_section                                  UT
model.weights.bundled_weights                       UT
model.weights.pickle_machine                        UT
model.weights.starting_weights                      UT
model.weights.swin_rules                            UT
model.weights.tensor_files                          UT
model.weights.torch_files                           UT
model.weights.weights_architecture                  UT
model.weights.weights_file                          UT
model.weights.weights_names                         UT
model.weights.weights_rules                         UT
"""


@pytest.fixture(scope="module")
def found():
    """Module -> letters of the nodes whose digest it may change."""
    letters = {}
    for letter, node in NODES.items():
        for name in code_digest.reached(*code_digest.ENTRIES[node]):
            letters[name] = letters.get(name, "") + letter
    return letters


def modules_below(name):
    module = module_code.read(name)
    yield name
    for below in module.submodules():
        yield from modules_below(below)


def test_every_node_with_a_digest_has_a_letter():
    assert list(NODES.values()) == list(code_digest.ENTRIES)


def test_modules_invalidate_the_nodes_of_the_table_and_no_other(found):
    assert found == dict(line.split() for line in TABLE.strip().splitlines())


@pytest.mark.parametrize(
    "part",
    [
        "pipeline.cli.cli",
        "pipeline.cli.commands",
        "foundation.console",
        "foundation.drawing",
        "pipeline.graph",
        "foundation.html_page",
        "pipeline.cluster.kubeflow",
        "pipeline.cluster.kubeflow_tasks",
        "pipeline.cluster.kubeflow_workers",
        "pipeline.tools.lineage",
        "foundation.progress",
        "pipeline.cluster.run_node",
        "pipeline.metadata.store",
        "pipeline.local.summary",
        "pipeline.cluster.vertex",
        "components.atomic_pusher",
        "components.coco_example_gen.report.report_page",
        "components.coco_example_gen.report.report_pictures",
        "components.coco_example_gen.report.report_tables",
    ],
)
def test_what_compiles_runs_or_tells_invalidates_nothing(found, part):
    assert {name for name in modules_below(part) if name in found} == set()


def test_what_words_a_message_invalidates_those_who_store_it(found):
    """The gate writes the problems of ingestion, with quoted names, in its verdict."""
    assert found["components.coco_example_gen.quoting"] == "IG"


@pytest.mark.parametrize("name", ["model.serve.postprocess", "model.serve.export"])
def test_what_a_model_answers_with_invalidates_no_data(found, name):
    assert found[name] == "UTEV"


def test_no_component_but_ingestion_has_a_say_in_the_examples(found):
    ingesting = {name for name, letters in found.items() if "I" in letters}
    own = {name for name in ingesting if name.startswith("components.")}
    assert own - {"components.wire"} <= set(
        modules_below("components.coco_example_gen")
    )
    assert ingesting.isdisjoint(
        {"model.run_fn", "model.train.trainer", "pipeline.settings.config"}
    )
