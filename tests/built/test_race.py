"""The interactive race runs the same optimizers on the same surfaces as Python."""

import json

import numpy as np
import pytest
from booksite import Visit

from dnnbook import optimizers, surfaces

pytestmark = pytest.mark.built
PAGE = "part1/11-race.html"
OPTIMIZERS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "irprop_minus"]
SURFACES = ["saddle", "quadratic", "rosenbrock", "beale"]
# which of the page's sliders each optimizer listens to
NUMBERS = {"sgd": ["eta"], "momentum": ["eta", "gamma"], "nesterov": ["eta", "gamma"], "adagrad": ["eta"]}
NUMBERS |= {"rmsprop": ["eta", "beta"], "adam": ["eta", "beta1", "beta2"], "adadelta": [], "irprop_minus": []}
SETTINGS = [
    {"eta": 0.0005, "gamma": 0.9, "beta": 0.9, "beta1": 0.9, "beta2": 0.999},
    {"eta": 0.0003, "gamma": 0.5, "beta": 0.99, "beta1": 0.0, "beta2": 0.9},
    {"eta": 0.00178, "gamma": 0.0, "beta": 0.0, "beta1": 0.95, "beta2": 0.99},
]
STARTS = {"saddle": [1.0, 1e-3], "quadratic": [-4.5, 0.8], "rosenbrock": [-1.2, 1.0], "beale": [1.0, 1.2]}
STEPS = 100


@pytest.fixture(scope="module")
def page(browser, base):
    with Visit(browser, base + PAGE) as v:
        yield v.page
        assert v.complaints == []


@pytest.fixture
def race(page):
    box = page.locator(".race").first
    box.locator("select").select_option("beale")
    return box


def python(surface, name, start, numbers):
    rule = optimizers.optimizer(name, **{k: numbers[k] for k in NUMBERS[name]})
    slope = getattr(surfaces, surface + "_grad")
    w = np.array(start)
    state, path = rule.init(w), [w.copy()]
    for _ in range(STEPS):
        state = rule.update_(w, slope(w), state)
        path.append(w.copy())
    return np.array(path)


def test_the_page_offers_the_optimizers_and_surfaces_of_the_book(page):
    assert page.evaluate("window.dnnbookRace.optimizers") == OPTIMIZERS
    assert page.evaluate("window.dnnbookRace.surfaces") == SURFACES


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_paths_are_those_of_python(page, surface, name):
    for numbers in SETTINGS:
        for start in (STARTS[surface], [0.4, -0.7]):
            call = "([s, n, start, steps, numbers]) => window.dnnbookRace.path(s, n, start, steps, numbers)"
            shown = np.array(page.evaluate(call, [surface, name, start, STEPS, numbers]))
            want = python(surface, name, start, numbers)
            assert np.isfinite(want).all()
            assert np.abs(np.diff(want, axis=0)).sum() > 1e-3  # it moves
            np.testing.assert_allclose(shown, want, rtol=1e-12, atol=1e-300, err_msg=f"{surface} {name} {numbers}")


@pytest.mark.parametrize("surface", SURFACES)
def test_heights_are_those_of_python(page, surface):
    points = np.random.default_rng(0).uniform(-3, 3, (50, 2))
    call = "([s, points]) => points.map((w) => window.dnnbookRace.value(s, w))"
    shown = page.evaluate(call, [surface, points.tolist()])
    np.testing.assert_allclose(shown, getattr(surfaces, surface)(points), rtol=1e-14)


def start_of(race):
    x, y = race.locator(".start").get_attribute("aria-valuetext").replace("\u2212", "-").split(", ")
    return [float(x.split("= ")[1]), float(y.split("= ")[1])]


def losses(race):
    return race.locator("tbody td:last-child").all_inner_texts()


def test_dragging_moves_the_start_and_every_path(page, race):
    race.locator("svg.race-picture").scroll_into_view_if_needed()
    before, old = start_of(race), losses(race)
    assert before == STARTS["beale"]
    place = race.locator(".start .dot").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 80, steps=4)
    page.mouse.up()
    after = start_of(race)
    assert after[0] > before[0] + 0.3
    assert after[1] < before[1] - 0.3
    assert all(a != b for a, b in zip(old, losses(race), strict=True))


def test_arrow_keys_move_the_start(page, race):
    before = start_of(race)
    race.locator(".start").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    after = start_of(race)
    assert after[0] == pytest.approx(before[0] - 0.045, abs=1e-3)
    assert after[1] == pytest.approx(before[1] - 0.3, abs=1e-3)


def test_the_table_says_the_loss_of_the_step_shown(page, race):
    setup = json.loads(race.get_attribute("data-setup"))
    assert set(setup["surfaces"]) == set(SURFACES)
    for surface in SURFACES:
        race.locator("select").select_option(surface)
        given = setup["surfaces"][surface]
        race.get_by_role("button", name="Restart").click()
        for _ in range(3):
            race.get_by_role("button", name="Step").click()
        assert race.locator("thead th").last.inner_text() == "loss after 3 steps"
        for name, shown in zip(OPTIMIZERS, losses(race), strict=True):
            numbers = SETTINGS[0] | {"eta": given["eta"][name]}
            want = float(getattr(surfaces, surface)(python(surface, name, given["start"], numbers)[3]))
            assert float(shown.replace("\u2212", "-")) == pytest.approx(want, rel=6e-3), (surface, name)


def test_a_rate_changes_its_own_optimizer_only(page, race):
    race.locator("input[type=range]").first.fill("200")
    old = losses(race)
    race.get_by_label("learning rate of Adam").press("ArrowLeft")
    assert [a == b for a, b in zip(old, losses(race), strict=True)] == [name != "adam" for name in OPTIMIZERS]


def test_a_hidden_optimizer_is_not_drawn(page, race):
    count = race.locator("polyline").count()
    race.locator("tbody input[type=checkbox]").first.uncheck()
    assert race.locator("polyline").count() == count - 2
    race.locator("tbody input[type=checkbox]").first.check()
    assert race.locator("polyline").count() == count


def test_play_shows_the_end_at_once_where_less_motion_is_wanted(page, race):
    race.get_by_role("button", name="Restart").click()
    race.get_by_role("button", name="Play").click()
    assert race.locator("thead th").last.inner_text() == "loss after 200 steps"


def test_play_moves_and_pauses(browser, base):
    context = browser.new_context(reduced_motion="no-preference")
    page = context.new_page()
    page.goto(base + PAGE)
    race = page.locator(".race").first
    assert race.locator("thead th").last.inner_text() == "loss after 200 steps"  # nothing moves by itself
    race.get_by_role("button", name="Play").click()
    page.wait_for_timeout(700)
    race.get_by_role("button", name="Pause").click()
    stopped = race.locator("thead th").last.inner_text()
    assert 0 < int(stopped.split()[2]) < 200
    page.wait_for_timeout(300)
    assert race.locator("thead th").last.inner_text() == stopped
    context.close()


def test_race_is_named_for_a_screen_reader(page, race):
    assert race.locator("svg.race-picture").get_attribute("aria-label")
    assert race.locator("input[type=range]:not([aria-label])").count() == 0
    assert race.locator("table caption").count() == 1
    assert race.locator("tbody tr").count() == len(OPTIMIZERS)
