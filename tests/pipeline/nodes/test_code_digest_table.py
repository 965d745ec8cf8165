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
foundation.artifact_paths                           TEV
foundation.artifact_trees                           TV
foundation.background                               T
foundation.config_section                           IGXT
foundation.errors                                   IGTEV
model.config                                        T
model.evaluation.coco_metrics                       TE
model.evaluation.ground_truth                       TE
model.evaluation.judge                              T
model.evaluation.live_model                         T
model.evaluation.predictor                          TE
model.evaluation.side_by_side                       T
model.evaluation.split_sample                       T
model.examples.augment                              T
model.examples.categories                           XTEV
model.examples.colour_jitter                        T
model.examples.copy_paste                           T
model.examples.dataset                              T
model.examples.epochs                               T
model.examples.features                             IGXTE
model.examples.mask_crop                            T
model.examples.mask_rle                             ITEV
model.examples.preprocessing                        XT
model.examples.record_files                         ITEV
model.examples.repeat_factors                       T
model.examples.rle_text                             IV
model.image_sections                                XT
model.kernels.cell_sampling                         T
model.kernels.compute_target                        T
model.kernels.depthwise                             T
model.kernels.point_sampling                        T
model.kernels.products                              T
model.kernels.row_parts                             T
model.kernels.row_sums                              T
model.kernels.sampling_layout                       T
model.loss.balance                                  T
model.loss.criterion                                T
model.loss.loss_points                              T
model.loss.losses                                   T
model.loss.matcher                                  T
model.network.attention                             T
model.network.backbones                             T
model.network.convolution                           T
model.network.deformable_attention                  T
model.network.efficientnet_lite                     T
model.network.initializers                          T
model.network.linear                                T
model.network.mask2former                           T
model.network.normalization                         T
model.network.pixel_decoder                         T
model.network.position_encoding                     T
model.network.resnet                                T
model.network.shapes                                T
model.network.swin                                  T
model.network.swin_block                            T
model.network.transformer_decoder                   T
model.network.window_attention                      T
model.run_fn                                        T
model.serve.export                                  TEV
model.serve.model_folder                            TEV
model.serve.postprocess                             TEV
model.serve.rle_encoding                            T
model.serve.saved_model                             TEV
model.network.staged                                T
model.train.averages                                T
model.train.checkpoints                             T
model.train.cluster                                 T
model.train.cost                                    T
model.train.curves                                  T
model.train.differences                             T
model.train.earlier_models                          T
model.train.failures                                T
model.train.host_memory                             T
model.train.interruption                            T
model.train.length                                  T
model.train.loop                                    T
model.train.manifest                                T
model.train.optimizer                               T
model.train.parts                                   T
model.train.score                                   T
model.train.starting_point                          T
model.train.state                                   T
model.train.train_worker                            T
model.train.trainer                                 T
model.train.training_step                           T
model.train.unfinished                              T
model.train.validation                              T
model.train_sections                                T
model.training                                      T
model.weights.bundled_weights                       T
model.weights.pickle_machine                        T
model.weights.starting_weights                      T
model.weights.swin_rules                            T
model.weights.tensor_files                          T
model.weights.torch_files                           T
model.weights.weights_architecture                  T
model.weights.weights_file                          T
model.weights.weights_names                         T
model.weights.weights_rules                         T
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
    assert found[name] == "TEV"


def test_no_component_but_ingestion_has_a_say_in_the_examples(found):
    ingesting = {name for name, letters in found.items() if "I" in letters}
    own = {name for name in ingesting if name.startswith("components.")}
    assert own - {"components.wire"} <= set(
        modules_below("components.coco_example_gen")
    )
    assert ingesting.isdisjoint(
        {"model.run_fn", "model.train.trainer", "pipeline.settings.config"}
    )
