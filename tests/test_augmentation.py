"""Augmentation: exact where pixels fall on pixels, linear between them, and chance that does what it says."""

import math

import numpy as np
import pytest

from dnnbook import augmentation as a


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def images():
    return rng(1).random((4, 6, 5))


def near(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def moved(images, down, right):
    """Whole pixels, by slices."""
    _, h, w = images.shape
    padded = np.pad(images, ((0, 0), (10, 10), (10, 10)))
    return padded[:, 10 - down : 10 - down + h, 10 - right : 10 - right + w]


# --- geometry


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, 1), (-2, 3), (5, -4), (6, 0), (9, 9)])
def test_a_shift_by_whole_pixels(images, down, right):
    near(a.shift(images, [down, right]), moved(images, down, right))


def test_every_image_has_its_own_shift(images):
    offsets = [[0, 1], [1, 0], [-1, 2], [0, 0]]
    expected = np.concatenate([moved(images[i : i + 1], *offsets[i]) for i in range(4)])
    near(a.shift(images, offsets), expected)


def test_between_pixels_it_interpolates_and_fades_to_nothing_at_the_edges(images):
    for t in (0.25, 0.5, 0.9):
        near(a.shift(images, [t, 0]), (1 - t) * images + t * moved(images, 1, 0))
        near(a.shift(images, [0, -t]), (1 - t) * images + t * moved(images, 0, -1))


@pytest.mark.parametrize("quarter", range(-2, 5))
def test_quarter_turns_are_counterclockwise(quarter):
    squares = rng().random((3, 5, 5))
    near(a.rotate(squares, 90 * quarter), np.rot90(squares, quarter, axes=(1, 2)))
    near(a.rotate(squares.reshape(3, 25), 90 * quarter).reshape(3, 5, 5), np.rot90(squares, quarter, axes=(1, 2)))


def test_a_half_turn_of_an_oblong_image(images):
    near(a.rotate(images, 180), images[:, ::-1, ::-1])


def plane(slope_down, slope_right, h=11, w=9):
    """An image that linear interpolation meets exactly; heights from its center."""
    down, right = np.indices((h, w)) - np.reshape([h - 1, w - 1], (2, 1, 1)) / 2
    return slope_down * down + slope_right * right


def test_a_turned_plane_is_a_plane_with_a_turned_slope():
    angle = 30.0
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # Counterclockwise as seen: what grew to the right grows to the right and up, that is, against "down".
    turned = a.rotate(plane(0, 1)[None], angle)[0]
    near(turned[3:-3, 3:-3], plane(-sin, cos)[3:-3, 3:-3])
    turned = a.rotate(plane(1, 0)[None], [angle])[0]
    near(turned[3:-3, 3:-3], plane(cos, sin)[3:-3, 3:-3])


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, 4.0])
def test_a_scaled_plane_is_less_steep(factor):
    margin = math.ceil(max(0, 5 - 4 * factor))
    inside = (slice(margin, 11 - margin), slice(margin, 9 - margin))
    near(a.scale(plane(2, 3)[None], factor)[0][inside], plane(2 / factor, 3 / factor)[inside])


def test_shrinking_leaves_nothing_around():
    white = np.ones((1, 9, 9))
    small = a.scale(white, [0.5])[0]
    near(small[2:7, 2:7], 1)
    assert small[0].sum() == small[-1].sum() == small[:, 0].sum() == small[:, -1].sum() == 0


def test_an_affine_field_scales_and_turns_and_then_moves():
    image = np.pad(rng().random((1, 7, 7)), ((0, 0), (9, 9), (9, 9)))  # nothing gets lost beyond the edges
    field = a.affine_field(image.shape, offsets=[1, -2], angles=90, factors=2.0)
    near(a.elastic(image, field), a.shift(a.rotate(a.scale(image, 2.0), 90), [1, -2]))


def test_a_constant_field_is_a_shift_the_other_way(images):
    field = np.broadcast_to(np.reshape([0.3, -1.2], (2, 1, 1)), (2, 6, 5))
    near(a.elastic(images, field), a.shift(images, [-0.3, 1.2]))


def test_every_pixel_has_its_own_displacement(images):
    fields = rng(2).integers(-9, 10, (4, 2, 6, 5))
    got = a.elastic(images, fields)
    for n, i, j in np.ndindex(4, 6, 5):
        y, x = i + fields[n, 0, i, j], j + fields[n, 1, i, j]
        assert got[n, i, j] == (images[n, y, x] if 0 <= y < 6 and 0 <= x < 5 else 0)


def test_far_away_is_nothing(images):
    field = np.zeros((2, 6, 5))
    field[0, 0, 0], field[1, 1, 1], field[1, 2, 2] = 1e300, -1e18, 2.0**31
    got = a.elastic(images, field)
    assert (got[:, [0, 1, 2], [0, 1, 2]] == 0).all()
    near(got[:, 3:], images[:, 3:])


def test_it_is_linear_in_the_images(images):
    field = rng(2).normal(size=(2, 6, 5))
    near(a.elastic(images + 3 * images[::-1], field), a.elastic(images, field) + 3 * a.elastic(images[::-1], field))


# --- smooth fields


def bell(draws, sigma):
    """Blur by the definition: weights of a Gaussian bell that add up to 1, cut off where it is nothing, zeros outside."""
    reach = int(4 * sigma + 0.5)
    at = np.arange(-reach, reach + 1)
    weights = np.exp(-(at**2) / (2 * sigma**2))
    weights /= weights.sum()
    h, w = draws.shape
    padded = np.pad(draws, reach)
    rows = sum(k * padded[i : i + h] for i, k in enumerate(weights))
    return sum(k * rows[:, i : i + w] for i, k in enumerate(weights))


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_a_smooth_field_is_a_blurred_one(sigma):
    draws = rng().uniform(-1, 1, (3, 2, 7, 6))
    got = a.smooth_field(draws, 5.0, sigma)
    for n, axis in np.ndindex(3, 2):
        near(got[n, axis], 5 * bell(draws[n, axis], sigma))


def test_without_blur_or_strength():
    draws = rng().uniform(-1, 1, (2, 7, 6))
    near(a.smooth_field(draws, 3.0, 0.0), 3 * draws)
    assert not a.smooth_field(draws, 0.0, 1.0).any()


# --- noise


def test_noise_is_added(images):
    draws = rng().normal(size=images.shape)
    assert np.array_equal(a.noise(images, draws), images + draws)


# --- forms

CALLS = {
    "shift": lambda x, **form: a.shift(x, [1.0, 0.5], **form),
    "rotate": lambda x, **form: a.rotate(x, [10.0, 20.0, 30.0, 40.0], **form),
    "scale": lambda x, **form: a.scale(x, 1.3, **form),
    "elastic": lambda x, **form: a.elastic(x, rng(2).normal(size=(2, 6, 5)), **form),
    "augmenter": lambda x, **form: a.augmenter(*form.values(), shift=1, rotate=9, scale=0.1, elastic=3, noise=0.1)(rng(3), x),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_rows_and_images_are_the_same_and_stay_as_they_are(images, call, dtype):
    images = images.astype(dtype)
    before = images.copy()
    got = call(images)
    rows = call(images.reshape(4, 30), shape=(6, 5))
    assert got.shape == (4, 6, 5)
    assert rows.shape == (4, 30)
    assert got.dtype == rows.dtype == dtype
    assert np.array_equal(got.reshape(4, 30), rows)
    assert np.array_equal(images, before)
    assert not np.array_equal(got, before)
    assert np.array_equal(call(images, shape=(6, 5)), got)
    assert call(images.tolist()).dtype == np.float64


def test_no_images():
    augment = a.augmenter(shift=1, rotate=9, scale=0.1, elastic=3, noise=0.1)
    assert augment(rng(), np.ones((0, 9))).shape == (0, 9)
    assert augment(rng(), np.ones((0, 3, 4))).shape == (0, 3, 4)


# --- chance


def test_the_augmenter_draws_in_this_order_and_interpolates_once(images):
    got = a.augmenter(shift=2.0, rotate=15.0, scale=0.2, elastic=8.0, sigma=1.5, noise=0.05)(rng(), images)
    chance = rng()
    affine = {
        "offsets": chance.uniform(-2, 2, (4, 2)),
        "angles": chance.uniform(-15, 15, 4),
        "factors": chance.uniform(0.8, 1.2, 4),
    }
    field = a.affine_field(images.shape, **affine) + a.smooth_field(chance.uniform(-1, 1, (4, 2, 6, 5)), 8.0, 1.5)
    near(got, a.elastic(images, field) + chance.normal(0, 0.05, images.shape))


ALONE = {
    "shift": lambda x, chance: a.shift(x, chance.uniform(-2, 2, (4, 2))),
    "rotate": lambda x, chance: a.rotate(x, chance.uniform(-2, 2, 4)),
    "scale": lambda x, chance: a.scale(x, chance.uniform(0.5, 1.5, 4)),
    "elastic": lambda x, chance: a.elastic(x, a.smooth_field(chance.uniform(-1, 1, (4, 2, 6, 5)), 2, 4)),
    "noise": lambda x, chance: x + chance.normal(0, 2, x.shape),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_is_not_asked_for_draws_nothing(images, name):
    ours, theirs = rng(), rng()
    near(a.augmenter(**{name: 0.5 if name == "scale" else 2.0})(ours, images), ALONE[name](images, theirs))
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_without_anything_it_does_nothing(images):
    chance = rng()
    assert np.array_equal(a.augmenter()(chance, images), images)
    assert chance.bit_generator.state == rng().bit_generator.state


def test_the_same_seed_gives_the_same_images(images):
    augment = a.augmenter(rotate=20, elastic=5)
    assert np.array_equal(augment(rng(7), images), augment(rng(7), images))
    assert not np.array_equal(augment(rng(7), images), augment(rng(8), images))


def test_training_takes_it():
    from dnnbook import network, train

    net = network.mlp([36, 5, 2])
    x, y = rng(1).random((12, 36)), rng(2).integers(0, 2, 12)
    results = [
        train.fit(net, network.init(net, rng()), x, y, rng=rng(), epochs=2, batch_size=5, progress=False, augment=augment)
        for augment in (a.augmenter(shift=1, noise=0.1), None)
    ]
    assert results[0].history.step_loss[0] != results[1].history.step_loss[0]


# --- errors

X = np.ones((2, 3, 3))
FORMS = "expected (N, H, W) or (N, D)"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: a.shift(np.ones(9), [0, 0]), ValueError, f"shift: images has shape (9,), {FORMS}"),
        (lambda: a.rotate(np.ones((1, 2, 3, 3)), 0), ValueError, f"rotate: images has shape (1, 2, 3, 3), {FORMS}"),
        (
            lambda: a.scale(np.ones((1, 8)), 1),
            ValueError,
            "scale: images has rows of 8 numbers, expected squares, or shape=(H, W) with them",
        ),
        (
            lambda: a.scale(np.ones((1, 8)), 1, shape=(3, 3)),
            ValueError,
            "scale: images has rows of 8 numbers, expected images of shape (3, 3)",
        ),
        (
            lambda: a.scale(np.ones((1, 8)), 1, shape=(8,)),
            ValueError,
            "scale: images has rows of 8 numbers, expected images of shape (8,)",
        ),
        (
            lambda: a.scale(X, 1, shape=(3, 4)),
            ValueError,
            "scale: images has shape (2, 3, 3), expected (N, 3, 4) or (N, D)",
        ),
        (lambda: a.shift(X, [1.0]), ValueError, "shift: offsets has shape (1,), expected (2, 2) or (2,)"),
        (lambda: a.shift(X, np.ones((3, 2))), ValueError, "shift: offsets has shape (3, 2), expected (2, 2) or (2,)"),
        (lambda: a.rotate(X, [1.0, 2.0, 3.0]), ValueError, "rotate: angles has shape (3,), expected (2,) or ()"),
        (lambda: a.rotate(X, math.nan), ValueError, "rotate: angles has NaN or infinite values"),
        (lambda: a.rotate(X, "1"), TypeError, "rotate: angles has dtype <U1, expected float32, float64 or integers"),
        (lambda: a.scale(X, [1.0, 0.0]), ValueError, "scale: factors has a value 0.0, expected values in (0, inf)"),
        (lambda: a.scale(X, -2), ValueError, "scale: factors has a value -2.0, expected values in (0, inf)"),
        (
            lambda: a.elastic(X, np.zeros((3, 3))),
            ValueError,
            "elastic: fields has shape (3, 3), expected (2, 2, 3, 3) or (2, 3, 3)",
        ),
        (
            lambda: a.elastic(X, np.full((2, 3, 3), np.inf)),
            ValueError,
            "elastic: fields has NaN or infinite values",
        ),
        (lambda: a.noise(X, 1.0), ValueError, "noise: draws has shape (), expected (2, 3, 3) as images"),
        (lambda: a.smooth_field([1.0], 1, 1), ValueError, "smooth_field: draws has shape (1,), expected (..., H, W)"),
        (lambda: a.smooth_field(X, -1, 1), ValueError, "smooth_field: strength is -1, expected a number in [0, inf)"),
        (lambda: a.smooth_field(X, 1, "1"), TypeError, "smooth_field: sigma is '1', expected a number"),
        (lambda: a.augmenter(rotate=181), ValueError, "augmenter: rotate is 181, expected a number in [0, 180]"),
        (lambda: a.augmenter(scale=1), ValueError, "augmenter: scale is 1, expected a number in [0, 1)"),
        (lambda: a.augmenter(noise=-0.1), ValueError, "augmenter: noise is -0.1, expected a number in [0, inf)"),
        (lambda: a.augmenter()(rng(), np.ones(9)), ValueError, f"augmenter: images has shape (9,), {FORMS}"),
        (
            lambda: a.affine_field((1, 2, 2), factors=0),
            ValueError,
            "affine_field: factors has a value 0.0, expected values in (0, inf)",
        ),
    ],
)
def test_arguments_that_do_not_fit(call, error, message):
    with pytest.raises(error) as got:
        call()
    assert str(got.value) == message
