"""Figures look the same everywhere: fixed looks, the same bytes, labels that do not touch."""

import io
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from dnnbook import activations, figures

mpl = pytest.importorskip("matplotlib")


@pytest.fixture
def ax(monkeypatch):
    monkeypatch.setenv("DNNBOOK_BOOK", "1")
    from matplotlib.figure import Figure  # without pyplot: no window, nothing to close

    with figures.style():
        yield Figure().subplots()


def svg(ax):
    file = io.StringIO()
    ax.figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def test_importing_figures_does_not_import_matplotlib():
    code = "import sys, dnnbook.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_activation_has_its_own_look():
    names = [f for f in activations.__all__ if not f.endswith(("_grad", "_grad2", "_vjp"))]
    looks = [str(figures.line(name)) for name in names]
    assert len(set(looks)) == len(names) >= 13


@pytest.mark.parametrize(
    "names", [["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"], ["train", "validation", "test"]]
)
def test_things_compared_differ(names):
    assert len({str(figures.line(n)) for n in names}) == len(names)


def test_series_repeat_after_six():
    assert len({str(figures.series(i)) for i in range(6)}) == 6
    assert figures.series(7) == figures.series(1)


def test_unknown_look():
    with pytest.raises(ValueError, match=r"^line: name is 'rulu', expected one of 'linear', 'sigmoid', .*'test'$"):
        figures.line("rulu")


def test_text_stays_text_in_the_ink_of_the_page(ax):
    ax.plot([0, 1], [0, 1], **figures.line("linear"))
    ax.set(xlabel="epoch", ylabel="loss $E$", title="A title")
    code = svg(ax)
    assert re.search(r"<text [^>]*>epoch</text>", code)
    colors = set(re.findall(r"#[0-9a-f]{6}", code))
    assert colors == {figures.INK, figures.GRID}  # black or white anywhere would vanish in the light or in the dark


def test_the_same_figure_has_the_same_bytes():
    from matplotlib.figure import Figure

    def draw():
        ax = Figure().subplots()
        figures.band(ax, [0, 1], [[0, 1], [1, 2]], "adam")
        figures.label_lines(ax)
        return svg(ax)

    with figures.style():
        assert draw() == draw()


def test_white_paper_outside_the_book(monkeypatch):
    monkeypatch.delenv("DNNBOOK_BOOK", raising=False)
    with figures.style():
        assert mpl.rcParams["figure.facecolor"] == "white"
        assert mpl.rcParams["grid.color"] == "#d9d9d9"
    monkeypatch.setenv("DNNBOOK_BOOK", "1")
    with figures.style():
        assert mpl.rcParams["figure.facecolor"] == "none"


def test_style_ends_with_its_block():
    before = dict(mpl.rcParams)
    with figures.style():
        assert mpl.rcParams["svg.hashsalt"] == "dnnbook"
    assert dict(mpl.rcParams) == before


def test_use_stays():
    with mpl.rc_context():
        figures.use()
        assert mpl.rcParams["svg.hashsalt"] == "dnnbook"
        assert mpl.rcParams["svg.fonttype"] == "none"


def test_labels_do_not_touch_and_keep_their_order(ax):
    from matplotlib.text import Text

    for i, height in enumerate([0.0, 0.001, 1.0, 0.002, np.nan]):
        ax.plot([0, 1, 2], [0.5, height, np.nan], label=f"line {i}")
    ax.plot([0, 2], [0, 0], label="_none")
    labels = figures.label_lines(ax)
    ax.figure.draw_without_rendering()
    assert [t.get_text() for t in labels] == ["line 0", "line 1", "line 3", "line 4", "line 2"]
    boxes = [Text.get_window_extent(t) for t in labels]  # that of an annotation counts its line too
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
    assert max(b.x1 for b in boxes) <= ax.figure.bbox.x1  # the figure makes room for them


@pytest.mark.parametrize(
    ("heights", "apart"),
    [
        ([], []),
        ([0, 50], [0, 50]),
        ([0, 0], [-5, 5]),
        ([0, 0, 12], [-6, 4, 14]),
        ([0, 1, 2, 100], [-9, 1, 11, 100]),
    ],
)
def test_apart(heights, apart):
    assert figures._apart(heights, 10) == apart


def test_band_is_median_and_spread(ax):
    runs = np.array([[1.0, 5.0], [2.0, 3.0], [9.0, 4.0]])
    median = figures.band(ax, [1, 2], runs, "leaky_relu")
    assert median.get_ydata().tolist() == [2, 4]
    assert median.get_color() == figures.line("leaky_relu")["color"]
    assert median.get_label() == "leaky relu"
    corners = ax.collections[0].get_paths()[0].vertices.tolist()
    assert all(c in corners for c in ([1, 1], [2, 3], [1, 9], [2, 5]))
    assert figures.band(ax, [1, 2], runs, "seven units", color="red", label="7").get_label() == "7"


def test_band_refuses():
    with pytest.raises(ValueError, match=r"^band: runs has shape \(2, 3\) and x \(2,\), expected \(S, T\) and \(T,\)$"):
        figures.band(None, [1, 2], np.zeros((2, 3)), "relu")


def test_digits_grid_places_the_images(ax):
    images = np.arange(1, 13).reshape(3, 4)
    sheet = figures.digits_grid(ax, images, columns=2).get_array()
    assert sheet.shape == (5, 5)
    assert sheet[:2, :2].tolist() == [[1, 2], [3, 4]]
    assert sheet[:2, 3:].tolist() == [[5, 6], [7, 8]]
    assert sheet[3:, :2].tolist() == [[9, 10], [11, 12]]
    assert np.ma.getmaskarray(sheet)[:, 2].all()


def test_digits_grid_signed_is_white_at_zero(ax):
    image = figures.digits_grid(ax, [[-2.0, 0.0, 1.0, 0.0]], signed=True)
    assert image.get_clim() == (-2, 2)
    assert figures.digits_grid(ax, np.zeros((2, 3, 4))).get_array().shape == (3, 9)


@pytest.mark.parametrize("shape", [(2, 5), (0, 4), (4,)])
def test_digits_grid_refuses(shape):
    with pytest.raises(
        ValueError, match=r"^digits_grid: images has shape .*, expected \(N, H, W\) or \(N, D\) with D a square$"
    ):
        figures.digits_grid(None, np.zeros(shape))
