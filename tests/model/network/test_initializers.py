import math

import numpy as np

from model.network import initializers


def test_linear_kernels_and_biases_stay_within_one_over_root_of_inputs():
    kernel = np.abs(initializers.linear_kernel()((64, 200)))
    bias = np.abs(initializers.linear_bias(64)((2000,)))
    for values in (kernel, bias):
        assert 0.99 / 8 < values.max() <= 1 / 8


def test_attention_inputs_are_xavier_of_the_stacked_projection():
    values = np.abs(initializers.attention_input()((96, 96)))
    limit = math.sqrt(6 / (96 + 3 * 96))
    assert 0.99 * limit < values.max() <= limit


def test_c2_xavier_counts_inputs_only():
    values = np.abs(initializers.c2_xavier()((3, 3, 12, 200)))
    limit = math.sqrt(3 / (9 * 12))
    assert 0.99 * limit < values.max() <= limit


def test_c2_msra_has_variance_two_over_outputs():
    values = np.asarray(initializers.c2_msra()((3, 3, 64, 128)))
    assert abs(values.var() / (2 / (9 * 128)) - 1) < 0.02
    assert np.abs(values).max() > 3 * values.std()  # not truncated


def test_swin_starts_from_small_weights():
    values = np.asarray(initializers.swin()((96, 96)))
    assert abs(values.std() / 0.02 - 1) < 0.05
    assert abs(values.mean()) < 1e-3
