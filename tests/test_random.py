"""Philox against the published vectors of its authors, and what is drawn from it."""

import math

import numpy as np
import pytest

from dnnbook import _random, dropout

# counter, key, result: from the file of known answers that comes with the authors' library
KNOWN = [
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
RNG = np.random.default_rng
WORD = 2.0**32


def words(n, start=0, key=7):
    out = np.empty(n, np.uint32)
    _random.fill(out, start, np.uint64(key))
    return out


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter, key, result):
    assert _random.philox(*map(np.uint64, (*counter, *key))) == result


def test_a_word_is_a_function_of_its_place():
    first, key = words(1000, key=2**63 + 2**40 + 5), 2**63 + 2**40 + 5
    assert np.array_equal(words(40, start=400, key=key), first[400:440])
    block = _random.philox(*map(np.uint64, (3, 0, 0, 0, key & 0xFFFFFFFF, key >> 32)))
    assert tuple(first[12:16]) == block
    beyond = _random.philox(*map(np.uint64, (1, 2, 0, 0, 7, 0)))  # place 2^35 + 4
    assert tuple(words(4, start=4 * (2 * 2**32 + 1))) == beyond


def test_words_are_uniform_and_independent():
    w = words(400_000)
    for bit in range(32):
        assert abs(np.mean(w >> np.uint32(bit) & np.uint32(1)) - 0.5) < 5 * 0.5 / math.sqrt(len(w))
    counts = np.bincount(w >> np.uint32(24), minlength=256)
    assert abs(((counts - counts.mean()) ** 2 / counts.mean()).sum() - 255) < 5 * math.sqrt(2 * 255)
    u = w / WORD - 0.5
    for step in (1, 2, 3, 4, 8, 256):
        assert abs(np.mean(u[step:] * u[:-step])) < 5 / 12 / math.sqrt(len(u))
    assert abs(np.mean(u * (words(len(w), key=8) / WORD - 0.5))) < 5 / 12 / math.sqrt(len(u))


def test_keys_come_from_the_whole_range():
    rng = RNG(0)
    keys = [_random.draw_key(rng) for _ in range(200)]
    assert len(set(keys)) == 200
    for bit in range(64):
        assert 60 < sum(int(k) >> bit & 1 for k in keys) < 140


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keep", [1.0, 0.75, 0.3, 1e-300])
def test_mask_is_where_the_word_is_below(keep, dtype):
    mask = dropout.dropout_mask(RNG(3), (7, 333), keep, dtype)
    drawn = words(2400, key=_random.draw_key(RNG(3)))[: mask.size]
    assert mask.dtype == dtype
    assert np.array_equal(mask.ravel(), drawn < keep * WORD)


def test_mask_into_a_given_array():
    out = np.full((5, 101), 9.0, np.float32)
    assert dropout.dropout_mask(RNG(3), (5, 101), 0.5, np.float32, out=out) is out
    assert np.array_equal(out, dropout.dropout_mask(RNG(3), (5, 101), 0.5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 211), (1,), (256,), (0, 4), (2, 3, 64)])
def test_one_pass_is_mask_and_dropout(shape, dtype):
    x = RNG(1).normal(size=shape).astype(dtype)
    mask, out = np.empty_like(x), np.empty_like(x)
    dropout.dropout_(RNG(3), x, 0.3, mask, out)
    assert np.array_equal(mask, dropout.dropout_mask(RNG(3), shape, 0.3, dtype))
    assert np.array_equal(out, dropout.dropout(x, mask, 0.3))
    dropout.dropout_(RNG(3), x, 0.3, mask, x)
    assert np.array_equal(x, out)


X = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dropout.dropout_(3, X, 0.5, X, X), TypeError, "dropout_: rng is 3, expected a numpy.random.Generator"),
        (lambda: dropout.dropout_(RNG(), X, 0.0, X, X), ValueError, "dropout_: keep is 0.0, expected a number in (0, 1]"),
        (
            lambda: dropout.dropout_(RNG(), X, 0.5, np.ones(6, np.float32), X),
            ValueError,
            "dropout_: mask is float32 (6,), expected an array of float32 (2, 3)",
        ),
        (
            lambda: dropout.dropout_(RNG(), X, 0.5, X, np.ones((2, 3))),
            ValueError,
            "dropout_: out is float64 (2, 3), expected an array of float32 (2, 3)",
        ),
        (
            lambda: dropout.dropout_(RNG(), [1.0], 0.5, X, X),
            ValueError,
            "dropout_: x is no contiguous array of float32 or float64",
        ),
        (
            lambda: dropout.dropout_mask(RNG(), (3, 2), 0.5, np.float32, out=X.T),
            ValueError,
            "dropout_mask: out is no contiguous array of float32 or float64",
        ),
        (
            lambda: dropout.dropout_mask(RNG(), (2, 3), 0.5, out=X),
            ValueError,
            "dropout_mask: out is float32 (2, 3), expected an array of float64 (2, 3)",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
