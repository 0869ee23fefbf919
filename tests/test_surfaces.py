"""Surfaces: values and minima from the literature, grids, differences."""

import numpy as np
import pytest
import scipy.optimize
from oracles import slope

from dnnbook import surfaces

NAMES = ("beale", "quadratic", "rosenbrock", "saddle")
POINTS = np.random.default_rng(0).normal(0, 1.5, (20, 2))


def parts(name):
    return [getattr(surfaces, name + suffix) for suffix in ("", "_grad", "_hessian")]


@pytest.mark.parametrize(
    ("name", "point"),
    [("beale", [3, 0.5]), ("quadratic", [0, 0]), ("rosenbrock", [1, 1])],
    ids=["beale", "quadratic", "rosenbrock"],
)
def test_minimum_is_where_the_literature_has_it(name, point):
    f, grad, hessian = parts(name)
    assert f(point) == 0
    assert grad(point).tolist() == [0, 0]
    assert np.linalg.eigvalsh(hessian(point)).min() > 0
    assert (f(np.array(point) + 0.01 * POINTS) > 0).all()


def test_saddle_is_no_minimum():
    f, grad, hessian = parts("saddle")
    assert f([0, 0]) == 0
    assert grad([0, 0]).tolist() == [0, 0]
    assert np.linalg.eigvalsh(hessian([0, 0])).tolist() == [-2, 2]
    assert f([1e8 + 1, 1e8]) == 2e8 + 1  # the difference of the squares would have lost the 1


@pytest.mark.parametrize("kappa", [1.0, 10.0, 1e6])
def test_quadratic_has_the_condition_number_asked_for(kappa):
    assert np.linalg.cond(surfaces.quadratic_hessian([1.0, 2.0], kappa)) == kappa
    assert surfaces.quadratic([0.0, 1.0], kappa) / surfaces.quadratic([1.0, 0.0], kappa) == kappa


def test_values_written_a_second_time():
    a, b = POINTS.T
    assert np.allclose(surfaces.rosenbrock(POINTS), [scipy.optimize.rosen(p) for p in POINTS], rtol=1e-13)
    assert np.allclose(surfaces.rosenbrock_grad(POINTS), [scipy.optimize.rosen_der(p) for p in POINTS], rtol=1e-12)
    assert np.allclose(surfaces.rosenbrock_hessian(POINTS), [scipy.optimize.rosen_hess(p) for p in POINTS], rtol=1e-13)
    expected = (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2
    assert np.allclose(surfaces.beale(POINTS), expected, rtol=1e-12)
    assert np.allclose(surfaces.saddle(POINTS), a**2 - b**2, rtol=1e-13, atol=1e-14)
    assert np.allclose(surfaces.quadratic(POINTS, 7.0), (a**2 + 7 * b**2) / 2, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_against_differences(name):
    f, grad, hessian = parts(name)
    for w in POINTS[:5]:
        for i, u in enumerate(np.eye(2)):
            assert grad(w)[i] == pytest.approx(slope(lambda t, w=w, u=u: f(w + t * u)), rel=1e-7, abs=1e-7)
            for j in range(2):
                found = slope(lambda t, w=w, u=u, j=j: grad(w + t * u)[j])
                assert hessian(w)[j, i] == pytest.approx(found, rel=1e-7, abs=1e-7)
        assert hessian(w)[0, 1] == hessian(w)[1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_a_grid_in_one_call(name):
    f, grad, hessian = parts(name)
    grid = POINTS.reshape(4, 5, 2)
    assert f(grid).shape == (4, 5)
    assert grad(grid).shape == (4, 5, 2)
    assert hessian(grid).shape == (4, 5, 2, 2)
    assert f(grid)[2, 3] == f(grid[2, 3])
    assert np.array_equal(hessian(grid)[2, 3], hessian(grid[2, 3]))
    assert f(POINTS.astype(np.float32)).dtype == np.float32


def test_points_of_three_numbers_are_refused():
    with pytest.raises(ValueError, match=r"^beale: w has shape \(3,\), expected \(\.\.\., 2\) with 2 = 2$"):
        surfaces.beale([1.0, 2.0, 3.0])
