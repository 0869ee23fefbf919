"""One look for all figures of the book.

Colors are those of Okabe and Ito, distinct for all kinds of color vision; dashes tell lines apart without color. Figures are
SVG with text as text. Foreground and grid have colors of their own, :data:`INK` and :data:`GRID`, which the book's pages
replace by the reader's text color; in a notebook they are near-black and light gray on white.

matplotlib is imported by the functions, not by this module.
"""

import os

import numpy as np

__all__ = ["COLORS", "INK", "band", "digits_grid", "label_lines", "line", "series", "style", "use"]

INK = "#010203"
GRID = "#040506"
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "ink": INK,
}
DASHES = {"solid": "-", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.2)), "dashdot": (0, (6, 2, 1, 2)), "long": (0, (9, 3))}
LINES = {
    "linear": "ink dotted",
    "sigmoid": "vermilion solid",
    "tanh": "green dashed",
    "relu": "blue solid",
    "absolute_relu": "orange dashed",
    "leaky_relu": "sky dashed",
    "prelu": "sky dashdot",
    "noisy_relu": "blue dotted",
    "elu": "purple dashdot",
    "relu6": "blue long",
    "softplus": "orange solid",
    "softmax": "vermilion dotted",
    "log_softmax": "vermilion dashdot",
    "maxout": "purple solid",
    "mean_squared_error": "orange dashed",
    "cross_entropy": "blue solid",
    "sgd": "blue solid",
    "momentum": "orange dashed",
    "nesterov": "green dashdot",
    "adagrad": "purple dotted",
    "rmsprop": "sky long",
    "adadelta": "green dotted",
    "adam": "vermilion solid",
    "rprop": "purple dashed",
    "newton": "ink dashed",
    "levenberg_marquardt": "ink dashdot",
    "conjugate_gradients": "sky dashdot",
    "normal": "ink dotted",
    "lecun": "orange dashdot",
    "glorot": "green dashed",
    "he": "blue solid",
    "batch": "orange dashed",
    "mini-batch": "blue solid",
    "on-line": "purple dotted",
    "train": "blue solid",
    "validation": "vermilion dashed",
    "test": "vermilion solid",
}
SERIES = ("blue solid", "orange dashed", "green dashdot", "vermilion dotted", "purple long", "sky solid")


def line(name):
    """Color and dash of a function, an optimizer or another thing that has a fixed look in the book.

    Parameters
    ----------
    name : str
        Such as ``"relu"``, ``"adam"``, ``"glorot"`` or ``"validation"``.

    Returns
    -------
    dict
        ``color`` and ``linestyle``, for matplotlib's ``plot``.

    Raises
    ------
    ValueError
        The name has no fixed look; :func:`series` is for things without.

    Examples
    --------
    >>> line("relu")
    {'color': '#0072B2', 'linestyle': '-'}
    """
    if name not in LINES:
        raise ValueError(f"line: name is {name!r}, expected one of {', '.join(map(repr, LINES))}")
    return _look(LINES[name])


def series(i):
    """Color and dash of the i-th of several things that have no look of their own, such as the layers of a network.

    Parameters
    ----------
    i : int
        Counted from 0; after six the looks repeat.

    Returns
    -------
    dict
        ``color`` and ``linestyle``.

    Examples
    --------
    >>> series(1)
    {'color': '#E69F00', 'linestyle': (0, (5, 2))}
    """
    return _look(SERIES[i % len(SERIES)])


def style():
    """The book's style for the figures made inside a ``with`` block.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import matplotlib as mpl
    >>> with style():
    ...     mpl.rcParams["text.color"] == INK
    True
    """
    import matplotlib as mpl

    return mpl.rc_context(_settings())


def use():
    """Take the book's style for this notebook or program: the first cell of every chapter calls it.

    In a notebook figures become SVG, the same bytes for the same figure.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> with mpl.rc_context():
    ...     use()
    ...     mpl.rcParams["svg.fonttype"]
    'none'
    """
    import matplotlib as mpl

    mpl.rcParams.update(_settings())
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", bbox_inches=None, metadata={"Date": None})


def band(ax, x, runs, name, **changes):
    """Draw several runs as one line, their median, on a band from the smallest to the largest.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    x : array_like, shape (T,)
        Horizontal positions.
    runs : array_like, shape (S, T)
        One row per seed.
    name : str
        Names the look, as in :func:`line`, if it has one, and the label.
    **changes
        Settings of matplotlib's ``plot`` that replace these, such as ``label="ReLU"``.

    Returns
    -------
    matplotlib Line2D
        The median.

    Raises
    ------
    ValueError
        The shapes do not fit.
    """
    x, runs = np.asarray(x), np.asarray(runs, float)
    if runs.ndim != 2 or len(runs) == 0 or x.shape != runs.shape[1:]:
        raise ValueError(f"band: runs has shape {runs.shape} and x {x.shape}, expected (S, T) and (T,)")
    look = line(name) if name in LINES else {}
    (median,) = ax.plot(x, np.median(runs, axis=0), **{"label": name.replace("_", " "), **look, **changes})
    ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=median.get_color(), alpha=0.2, linewidth=0)
    return median


def label_lines(ax):
    """Write the label of every line at its right end, moved apart where they would touch; takes the place of a legend.

    Call it last: the limits of the axes must stand.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes whose lines have labels.

    Returns
    -------
    list of matplotlib Annotation
        From the lowest to the highest.
    """
    import matplotlib as mpl

    ax.figure.draw_without_rendering()  # gives the axes their final height
    points_per_pixel = 72 / ax.figure.dpi
    ends = []
    for curve in ax.get_lines():
        xy = np.column_stack([np.asarray(v, float) for v in curve.get_data(orig=False)])
        xy = xy[np.isfinite(xy).all(axis=1)]
        if len(xy) and not curve.get_label().startswith("_"):
            end = xy[xy[:, 0].argmax()]
            ends.append((curve.get_transform().transform(end)[1] * points_per_pixel, end, curve))
    ends.sort(key=lambda e: e[0])
    wanted = [height for height, _, _ in ends]
    heights = _apart(wanted, 1.25 * mpl.rcParams["font.size"])
    return [
        ax.annotate(
            curve.get_label(),
            end,
            xytext=(10, height - want),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": curve.get_color(), "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)},
        )
        for height, want, (_, end, curve) in zip(heights, wanted, ends, strict=True)
    ]


def digits_grid(ax, images, columns=None, signed=False):
    """Draw small images side by side.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw; its axes go.
    images : array_like, shape (N, H, W) or (N, D)
        Pixels; a row of D numbers is a square image.
    columns : int, optional
        Images in a row; left out, about as many as there are rows.
    signed : bool
        False: from 0 (paper) to the largest (ink). True: blue for negative, red for positive, white for 0, as for weights.

    Returns
    -------
    matplotlib AxesImage

    Raises
    ------
    ValueError
        The images are not square rows, or there is none.
    """
    images = np.asarray(images, float)
    if images.ndim == 2:
        side = round(images.shape[1] ** 0.5)
        if side * side == images.shape[1]:
            images = images.reshape(-1, side, side)
    if images.ndim != 3 or images.size == 0:
        raise ValueError(f"digits_grid: images has shape {images.shape}, expected (N, H, W) or (N, D) with D a square")
    n, h, w = images.shape
    columns = columns or int(np.ceil(n**0.5))
    rows = -(-n // columns)
    sheet = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1), np.nan)  # NaN stays transparent
    for i, image in enumerate(images):
        top, left = i // columns * (h + 1), i % columns * (w + 1)
        sheet[top : top + h, left : left + w] = image
    largest = np.nanmax(np.abs(sheet)) or 1.0
    ax.set_axis_off()
    cmap, low = ("RdBu_r", -largest) if signed else ("gray_r", 0.0)
    return ax.imshow(sheet, cmap=cmap, vmin=low, vmax=largest, interpolation="none")


def _settings():
    """matplotlib's settings. At 390 px a figure is shown at three quarters of its size, so its text is large."""
    from cycler import cycler

    in_book = os.environ.get("DNNBOOK_BOOK") == "1"
    looks = [series(i) for i in range(len(SERIES))]
    foreground = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "patch.edgecolor")
    return dict.fromkeys(foreground, INK) | {
        "figure.figsize": (5.2, 3.2),
        "figure.constrained_layout.use": True,
        "figure.facecolor": "none" if in_book else "white",
        "savefig.facecolor": "auto",
        "axes.facecolor": "none",
        "axes.prop_cycle": cycler(**{k: [look[k] for look in looks] for k in ("color", "linestyle")}),
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "font.size": 11,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "grid.color": GRID if in_book else "#d9d9d9",
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "legend.fontsize": 10,
        "lines.linewidth": 2.0,
        "svg.fonttype": "none",
        "svg.hashsalt": "dnnbook",
    }


def _look(text):
    color, dash = text.split()
    return {"color": COLORS[color], "linestyle": DASHES[dash]}


def _apart(heights, gap):
    """Sorted heights, moved until neighbors are `gap` apart; labels that touch stand around their mean."""
    groups = []  # of labels that touch: the lowest height, and the heights they asked for
    for h in heights:
        groups.append([h, [h]])
        while len(groups) > 1 and groups[-2][0] + gap * len(groups[-2][1]) > groups[-1][0]:
            members = groups[-2][1] + groups.pop()[1]
            groups[-1] = [np.mean(members) - gap * (len(members) - 1) / 2, members]
    return [first + gap * i for first, members in groups for i in range(len(members))]
