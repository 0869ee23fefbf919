"""``python -m dnnbook bench``: how fast the functions are, next to the frameworks and to the limits of the machine.

Each case is run in turn with its peers (A B A B ...), on the same data, with the same initial weights, in float32. What the
first call costs, compilation among it, is told apart. A ratio is taken within each round, so that a machine that slows down
slows both; the spread of a ratio is that of its middle half over the rounds.

Work is equal on all sides: dropout draws its masks inside, batch normalization keeps its running statistics, an epoch shuffles,
gathers its batches and gives back its loss. PyTorch runs eager with fused optimizers; JAX runs compiled, a whole epoch as one
scan. A peer's derivative starts from what its own automatic differentiation would have kept.
"""

from dnnbook.bench.run import bench, recorded

__all__ = ["bench", "recorded"]
