"""Every name that crosses from one node to another, or to whoever asks: each once.

A comment says who writes it and who reads it: "the tools" are the summary of a run, the
lineage and KFP's page. Keys and properties that are TFX's own stand here as well, for
most of them have no public constant; a test compares those that have. Names of files in
a model's folder and of features are the model's: `model.serve.export`,
`model.examples`.
"""

# Splits. CocoExampleGen writes both; all that follows reads them.
TRAIN_SPLIT = "train"
EVAL_SPLIT = "eval"
SPLITS = (TRAIN_SPLIT, EVAL_SPLIT)

# Format of the records of a split, by TFX's name. CocoExampleGen writes them, TFX's
# nodes read it; names and compression of the files: `model.examples.record_files`.
RECORDS_FORMAT = "tfrecords_gzip"

# CocoExampleGen's outputs, and the properties that TFX's driver gives the examples and
# the execution. Every node and the lineage read them.
EXAMPLES = "examples"
REPORT = "report"
SPAN = "span"
INPUT_FINGERPRINT = "input_fingerprint"
INPUT_BASE = "input_base"
INPUT_CONFIG = "input_config"

# Files of the ingestion report. CocoExampleGen and `m2f data` write them; DataGate
# reads the first two, people the page and the lines.
SUMMARY_FILE = "summary.json"
PROBLEMS_FILE = "problems.json"
PROBLEM_LINES_FILE = "problems.jsonl"
REPORT_PAGE_FILE = "report.html"

# StatisticsGen's and ExampleValidator's outputs. DataGate and a resolver read them.
STATISTICS = "statistics"
ANOMALIES = "anomalies"

# DataGate's output, its file and its properties. The tools and a resolver read them.
VERDICT = "verdict"
VERDICT_FILE = "verdict.json"
VERDICT_PASSED = "passed"
VERDICT_SUMMARY = "summary"

# Transform's and the Trainer's outputs. All that follows and the tools read them.
TRANSFORM_GRAPH = "transform_graph"
MODEL = "model"
MODEL_RUN = "model_run"
SERVING_FOLDER = "Format-Serving"  # of a model's artifact; the tools read it

# The Tuner's outputs, the Trainer's input, and TFX's file of all trials, the best
# first. The Trainer and the tools read them.
BEST_HYPERPARAMETERS = "best_hyperparameters"
TUNER_RESULTS = "tuner_results"
TUNER_RESULTS_FILE = "tuner_results.json"
HYPERPARAMETERS = "hyperparameters"
HYPERPARAMETERS_FILE = "best_hyperparameters.txt"

# Properties of executions. The graph writes them, for TFX's cache and for `model`,
# which has the keys of the custom configuration as its own words; the lineage reads.
CODE_DIGEST = "code_digest"
CUSTOM_CONFIG = "custom_config"
TRAINER_CONFIG = "config"
TRAINER_INFO = "info"
TUNER_CONFIG = "tune"
INITIAL_WEIGHTS = "initial_weights"
TRANSFORM_CONFIG = "data"
TRANSFORM_PIXELS = "pixels"

# CocoEvaluator's outputs, input and file. The Pusher and the tools read them.
BASELINE_MODEL = "baseline_model"
EVALUATION = "evaluation"
METRICS_FILE = "metrics.json"

# Of both blessings. CocoEvaluator and ServingValidator write them; TFX's Pusher, the
# resolver of the baseline and the tools read them.
BLESSING = "blessing"
BLESSED = "blessed"
REASON = "reason"
CURRENT_MODEL_ID = "current_model_id"
INFRA_BLESSED_FILE = "INFRA_BLESSED"
INFRA_NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"

# The Pusher's inputs, output and properties. TFX and our executor write them; the tools
# and whoever puts a lost version back read them.
MODEL_BLESSING = "model_blessing"
INFRA_BLESSING = "infra_blessing"
PUSHED_MODEL = "pushed_model"
PUSHED = "pushed"
PUSHED_DESTINATION = "pushed_destination"
PUSHED_VERSION = "pushed_version"
