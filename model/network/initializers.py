"""Weight initialisations of the authors' code, by the names they have there."""

import math

import keras


def linear_kernel() -> keras.initializers.Initializer:
    """Uniform within ±1/sqrt(fan_in): what a linear layer starts from by default."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def linear_bias(fan_in: int) -> keras.initializers.Initializer:
    """Uniform within ±1/sqrt(fan_in), for the bias of a layer with that many inputs."""
    limit = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def xavier() -> keras.initializers.Initializer:
    """Uniform within ±sqrt(6 / (fan_in + fan_out))."""
    return keras.initializers.GlorotUniform()


def attention_input() -> keras.initializers.Initializer:
    """Xavier of query, key and value projections stacked to one [C, 3C] matrix.

    Uniform within ±sqrt(6 / (C + 3C)) for each of the three [C, C] kernels.
    """
    return keras.initializers.VarianceScaling(0.5, "fan_avg", "uniform")


def c2_xavier() -> keras.initializers.Initializer:
    """Uniform within ±sqrt(3 / fan_in): lateral, output and mask convolutions."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")


def c2_msra() -> keras.initializers.Initializer:
    """Normal with deviation sqrt(2 / fan_out): the backbone's convolutions."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def embedding() -> keras.initializers.Initializer:
    """Normal with deviation 1: query, position and level embeddings."""
    return keras.initializers.RandomNormal(stddev=1.0)


def swin() -> keras.initializers.Initializer:
    """Normal with deviation 0.02: linear layers and position biases of Swin."""
    return keras.initializers.RandomNormal(stddev=0.02)
