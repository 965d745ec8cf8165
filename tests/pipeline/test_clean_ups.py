import subprocess
import sys

import compiled_kfp

from pipeline import clean_ups
from pipeline.cluster import kubeflow


def test_every_clean_up_is_of_a_node_in_the_graph():
    settings = compiled_kfp.settings(tune=compiled_kfp.TUNE)
    assert clean_ups.BY_NODE.keys() <= kubeflow.dag_of(settings).upstream.keys()


def test_whoever_watches_a_node_gets_them_without_tensorflow():
    program = "import sys, pipeline.clean_ups; print('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
