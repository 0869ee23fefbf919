"""The interactive explorer of activations shows what the Python functions compute."""

import inspect
import re

import numpy as np
import pytest
from booksite import Visit

from dnnbook import activations

pytestmark = pytest.mark.built
PAGE = "part1/01-activations.html"
POINTS = [-1000.0, -40.0, -6.0, -2.5, -1.0, -1e-3, -1e-300, 0.0, 1e-300, 1e-3, 0.5, 1.0, 3.0, 5.999, 6.0, 6.001, 40.0, 1000.0]
ALPHAS = [0.01, 0.25, 1.0]


@pytest.fixture(scope="module")
def page(browser, base):
    with Visit(browser, base + PAGE) as v:
        yield v.page
        assert v.complaints == []


def python(name, z, alpha, grad=False):
    f = getattr(activations, name + "_grad" * grad)
    parameters = inspect.signature(f).parameters
    return float(f(z, alpha)) if "alpha" in parameters else float(f(z))


def test_explorer_offers_the_elementwise_functions(page):
    names = page.evaluate("window.dnnbookExplorer.names")
    wanted = {
        n
        for n in activations.__all__
        if n + "_grad" in activations.__all__ and set(inspect.signature(getattr(activations, n)).parameters) <= {"z", "alpha"}
    }
    assert wanted - {"prelu"} <= set(names)


def test_explorer_agrees_with_python(page):
    for name in page.evaluate("window.dnnbookExplorer.names"):
        for alpha in ALPHAS:
            for kind, grad in (("value", False), ("derivative", True)):
                shown = page.evaluate(
                    "([kind, name, zs, a]) => zs.map(z => window.dnnbookExplorer[kind](name, z, a))",
                    [kind, name, POINTS, alpha],
                )
                want = [python(name, z, alpha, grad) for z in POINTS]
                np.testing.assert_allclose(shown, want, rtol=4e-15, atol=1e-300, err_msg=f"{name} {kind} alpha={alpha}")


def numbers(text):
    return [float(t.replace("\u2212", "-")) for t in re.findall(r"[-\u2212]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


def test_keyboard_moves_the_point_and_the_readout_follows(page):
    box = page.locator(".explorer").first
    box.locator("select").select_option("elu")
    slider = box.locator("input[type=range]").first
    before = float(slider.input_value())
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    z = float(slider.input_value())
    assert z > before
    alpha = float(box.locator("input[type=range]").nth(1).input_value())
    readout = numbers(box.locator("[aria-live]").inner_text())
    for want in (python("elu", z, alpha), python("elu", z, alpha, grad=True)):
        assert any(abs(x - want) <= 1e-5 * max(1, abs(want)) for x in readout), (want, readout)


def test_explorer_is_named_for_a_screen_reader(page):
    box = page.locator(".explorer").first
    assert box.locator("svg[role=img][aria-label]").count() == 1
    assert box.locator("input:not([aria-label]):not([id])").count() == 0
