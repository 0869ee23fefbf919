"""Random numbers that are a function of their place: Philox4x32-10, a counter-based generator.

A counter of four 32-bit words goes through ten rounds of multiplications and exclusive ors with a key of two words and comes
out as four random words. Nothing is kept from one to the next, so that blocks can be computed at a time, in any order and on
any machine, always with the same result. Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random
numbers: as easy as 1, 2, 3, SC 2011.
"""

import numpy as np

from dnnbook._jit import kernel, number

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # of the key: the golden ratio and sqrt(3) - 1
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
BLOCK = 256  # words at a time


@number
def philox(c0, c1, c2, c3, k0, k1):
    """Four random words for a counter of four and a key of two; 32 bits each, in uint64 as vector registers multiply them."""
    for _ in range(10):
        p, q = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (q >> HALF) ^ c1 ^ k0, q & LOW, (p >> HALF) ^ c3 ^ k1, p & LOW
        k0, k1 = (k0 + STEPS[0]) & LOW, (k1 + STEPS[1]) & LOW
    return c0, c1, c2, c3


@kernel
def fill(words, start, key):
    """Words `start` and after of the stream that belongs to a key of 64 bits; `start` and the length are multiples of 4."""
    for i in range(words.size // 4):
        counter = np.uint64(start // 4 + i)
        w = philox(counter & LOW, counter >> HALF, np.uint64(0), np.uint64(0), key & LOW, key >> HALF)
        words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3] = w


def draw_key(rng):
    """A key of 64 bits."""
    return rng.integers(2**64 - 1, dtype=np.uint64, endpoint=True)
