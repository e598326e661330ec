"""Figures with computed captions and alt texts, shown exactly once in every front end.

Each function shows its figure and returns it as a ``Picture``. With ``display=False`` it only
returns it: this is how a figure gets into a ``live.panel``, or into a file.
"""

import io
import math
from functools import partial
from html import escape
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogFormatter

from dipcourse import _text, metrics
from dipcourse import images as image_files
from dipcourse._display import Shown
from dipcourse._interrupts import held
from dipcourse._numbers import as_float, whole
from dipcourse.images import codec

WIDTH = 900  # CSS pixels, what a notebook offers
DENSITY = 2  # device pixels per CSS pixel
FONT = 14  # CSS pixels
MAX_PANEL = 400  # CSS pixels, the widest picture
FINEST = 2 * DENSITY * MAX_PANEL  # pixels of a row that a figure keeps
GAP = 12  # CSS pixels between panels and around the figure

#: Okabe and Ito's colours, which colour-blind readers tell apart; each comes with its own marker.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#7A5195")
MARKERS = ("o", "s", "^", "D", "v", "X", "P", "*")
ORACLE = "needs the clean image"


class Picture(Shown):
    """A figure: PNG bytes that carry their own alt text and pixel density.

    ``save`` writes the kind of file that the path's ending names: .png, .jpg or .jpeg, .html (a
    page of its own), and .pdf or .svg with letters and lines that stay sharp at any size. All but
    the page keep the alt text as their description.

    Args:
        png: the bytes of a PNG file; its text "Description" is the alt text, and its density
            in dots per inch says how large it is shown (100 dots are one inch on a page).
        draw: a function without arguments that draws the same as a figure of Matplotlib, for .pdf
            and .svg. None: they cannot be written.

    Raises:
        ValueError: the file has no Description.

    Built in lesson 00.
    """

    def __init__(self, png, draw=None):
        said = codec.about(png)
        alt, scale = said.description, codec.DOTS / said.density
        if not alt:
            raise ValueError("the PNG file has no text chunk Description: it needs an alt text")
        width, height = round(said.width * scale), round(said.height * scale)
        source = codec.address(png)
        html = (
            f'<img alt="{escape(alt)}" width="{width}" height="{height}" src="{source}" '
            'style="max-width:100%;height:auto;border-radius:4px">'
        )
        super().__init__(html, alt)
        self.png, self._draw = png, draw
        self._kind = "this figure" if draw else "a figure that is stored as pixels"

    def _writers(self):
        jpeg = partial(codec.png_to_jpeg, self.png)
        pixels = {".png": lambda: self.png, ".jpg": jpeg, ".jpeg": jpeg}
        if self._draw is None:
            return pixels | super()._writers()
        lines = {".pdf": partial(self._lines, "pdf"), ".svg": partial(self._lines, "svg")}
        return pixels | lines | super()._writers()

    def _lines(self, kind):
        more = "Subject" if kind == "pdf" else "Description"
        about = {"Title": self.alt, more: self.alt}
        figure, file = self._draw(), io.BytesIO()
        with held():  # the first one imports
            figure.savefig(file, format=kind, dpi=figure.dpi, metadata=about)
        return file.getvalue()


def images(
    pictures,
    reference=None,
    *,
    hidden=None,
    zoom=None,
    limits=(0, 1),
    columns=None,
    alt=None,
    display=True,
):
    """Show pictures side by side, all on the same scale of grey.

    Args:
        pictures: dict of title → tensor (1, C, H, W). A title is text as it stands, or a number.
        reference: the clean image, tensor (1, C, H, W). Pictures of its size get their PSNR
            (in dB) as a caption.
        hidden: tensor (1, 1, H, W), 1 where pixels were hidden: PSNR is taken over these alone.
        zoom: (top, left, size) in pixels: a second row shows this square enlarged.
        limits: the values drawn black and white. Differences take limits such as (-0.2, 0.2),
            so that 0 is grey; the figure then says so. Limits beyond ±4 are for pictures on
            another scale, such as (0, 255) for grey levels.
        columns: pictures in a row; None takes up to five.
        alt: the alt text, in place of the one made from titles and numbers.
        display: False returns the figure without showing it (for ``live.panel``).

    Returns:
        A Picture.

    Raises:
        ValueError: nothing to show, not a picture, values far outside [0, 1] (see ``limits``),
            limits in the wrong order or on another scale than all pictures, or a zoom that leaves
            the picture.

    Built in lesson 00.

    >>> images({"black": torch.zeros(1, 1, 8, 8)}).alt
    'A picture: black.'
    """
    if not isinstance(pictures, dict) or not pictures:
        is_dict = isinstance(pictures, dict)
        got = "no pictures" if is_dict else f"pictures is a {type(pictures).__name__}"
        raise ValueError(f"{got}: give a dict such as {{'noisy': y}}")
    titles = [str(title) for title in pictures]
    pictures = list(zip(titles, pictures.values(), strict=True))
    low, high = limits
    if not low < high:
        raise ValueError(f"limits={limits}: give the value drawn black, then the value drawn white")
    _require_scale(pictures, low, high)
    captions = [_caption(x, reference, hidden) for _, x in pictures]
    heads = zip(pictures, captions, strict=True)
    panels = [_panel(title, x, low, high, caption) for (title, x), caption in heads]
    rows = _rows(panels, columns)
    if zoom is not None:
        large = [
            (", ".join(filter(None, (t, "enlarged"))), image_files.crop(x, *zoom))
            for t, x in pictures
        ]
        crops = [_panel(*pair, low, high) for pair in large]
        rows = [row for pair in zip(rows, _rows(crops, columns), strict=True) for row in pair]
    note = _limits_note(low, high)
    described = [
        ", ".join(filter(None, pair)) or "untitled" for pair in zip(titles, captions, strict=True)
    ]
    count = "A picture" if len(described) == 1 else f"{len(described)} pictures side by side"
    text = alt or f"{count}: {'; '.join(described)}{f' ({note})' if note else ''}."
    draw = partial(_draw, rows, note, zoom)
    return _finish(draw(), text, display, draw)


def curves(
    series,
    *,
    title="",
    xlabel="step",
    ylabel="",
    log="",
    oracle=(),
    mark=None,
    alt=None,
    display=True,
):
    """Draw curves into one pair of axes.

    Args:
        series: dict of label → values (N,), or → (x, y) with two sequences of one length. A label
            is text as it stands.
        title, xlabel, ylabel: texts as they stand: no markup.
        log: "x", "y" or "xy": axes with a logarithmic scale.
        oracle: labels of curves that only the clean image can give: drawn dashed, and labelled.
        mark: dict of text → position on the x axis: vertical lines, such as a stopping step.
        alt: the alt text, in place of the one made from labels and numbers.
        display: False returns the figure without showing it (for ``live.panel``).

    Returns:
        A Picture.

    Raises:
        ValueError: no curve, more than eight, x and y of different lengths, nothing that can be
            drawn, an unknown label, or a mark that has no place on the x axis.

    Built in lesson 00.

    >>> curves({"loss": [3, 2, 1]}).alt
    'Line chart over step. loss: from 3 at 0 to 1 at 2.'
    """
    if not isinstance(series, dict) or not 1 <= len(series) <= len(COLOURS):
        raise ValueError(
            f"{len(series)} curves: give a dict of one to {len(COLOURS)} curves, such as "
            "{'loss': history.loss}"
        )
    points = {label: _points(label, values, log) for label, values in series.items()}
    oracle = (oracle,) if isinstance(oracle, str) else tuple(oracle)
    mark = {text: _place(text, position, log) for text, position in (mark or {}).items()}
    if unknown := set(oracle) - set(points):
        raise ValueError(f"oracle names {unknown}, the curves are {list(points)}")
    draw = partial(_chart, points, title, xlabel, ylabel, log, oracle, mark)
    return _finish(draw(), alt or _chart_text(points, title, xlabel, oracle, mark), display, draw)


def strip(history, reference=None, count=5, mean=False, *, hidden=None, alt=None, display=True):
    """Show a few snapshots of a fit side by side, first and last among them.

    Args:
        history: a History with F kept frames.
        reference: the clean image, tensor (1, C, H, W), for PSNR captions.
        count: how many snapshots, at most F.
        mean: True shows the running means instead of single outputs.
        hidden, alt, display: as for ``images``.

    Returns:
        A Picture.

    Raises:
        ValueError: the reference is not a picture, or count is below 1.

    Built in lesson 00.

    >>> from dipcourse.history import History
    >>> frames, last = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8)
    >>> strip(History(np.ones(9), np.array([0, 8]), frames, frames, last, last, 0.1))
    2 pictures side by side: step 0; step 8.
    """
    if count < 1:
        raise ValueError(f"count={count}: show at least one snapshot")
    chosen = np.unique(np.linspace(0, len(history) - 1, count).round().astype(int))
    title = "mean up to step {}" if mean else "step {}"
    titles = [title.format(history.steps[i]) for i in chosen]
    titles[-1] = history.titled(titles[-1])
    frames = [history.frame(i, mean=mean) for i in chosen]
    snapshots = dict(zip(titles, frames, strict=True))
    return images(snapshots, reference, hidden=hidden, alt=alt, display=display)


def reference(name, *, display=True):
    """Show a stored figure of the course.

    Args:
        name: the name of a PNG file in images/, without ".png". A Picture's ``save`` writes such
            a file, with the alt text inside.
        display: False returns the figure without showing it.

    Returns:
        A Picture.

    Raises:
        FileNotFoundError: there is no such figure.
        ValueError: the file has no alt text.

    Built in lesson 00.

    >>> reference("03_curves").alt[:20]
    'Line chart over step'
    """
    path = image_files.folder() / f"{name}.png"
    if not path.is_file():
        raise FileNotFoundError(f"no figure {name!r}: there is no {path.name} in images/")
    try:
        picture = Picture(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    if display:
        picture.show()
    return picture


def _caption(x, reference, hidden):
    if reference is None:
        return ""
    image_files.require(reference, "the reference")
    if x.shape != reference.shape:
        return f"{x.shape[2]} × {x.shape[3]} pixels"
    decibels = metrics.psnr(x, reference, hidden)
    if np.isinf(decibels):
        return "equal to the reference"
    return f"{decibels:.1f} dB" + ("" if hidden is None else " on hidden pixels")


def _limits_note(low, high):
    if (low, high) == (0, 1):
        return ""
    zero = ", grey: 0" if low == -high else ""
    return f"black: {low:g} or less{zero}, white: {high:g} or more".replace("-", "−")


class Panel(NamedTuple):
    """One picture of a figure: what is needed to draw it, also later.

    Attributes:
        heading: title and caption.
        array: uint8 (H, W, 3), or fewer pixels than the picture has.
        shape: height and width of the picture.
    """

    heading: tuple
    array: np.ndarray
    shape: tuple


def _panel(title, x, low, high, caption=""):
    """A panel in which low has become black and high white."""
    every = math.ceil(x.shape[3] / FINEST)
    shown = (x.detach()[..., ::every, ::every] - low) / (high - low)
    array = image_files.levels(shown)[0].expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    return Panel((title, caption), array, tuple(x.shape[2:]))


def _require_scale(pictures, low, high):
    """Refuse grey levels in [0, 1] limits, and the other way round."""
    beyond = max(abs(low), abs(high)) > image_files.FAR
    for title, x in pictures:
        image_files.require(x, f"the picture {title!r}", unit=not beyond)
    if beyond and all(x.abs().max() <= 1 for _, x in pictures):
        raise ValueError(
            f"limits={(low, high)}, but no value is beyond ±1: give limits in the units of the "
            "pictures; grey levels are divided by 255"
        )


def _rows(panels, columns):
    if columns is None:
        columns = math.ceil(len(panels) / math.ceil(len(panels) / 5))
    columns = whole("columns", columns, 1)
    return [panels[i : i + columns] for i in range(0, len(panels), columns)]


def _draw(rows, note, zoom):
    """A figure of panels of equal width; lengths in device pixels, from the bottom left corner."""
    columns = max(map(len, rows))
    side, unit = _panel_width(rows, columns)
    gap, line = round(GAP * unit), round(1.35 * FONT * unit)
    wrap = int(side / unit / (_text.LETTER * FONT))
    headings = [[_heading(*panel.heading, wrap) for panel in row] for row in rows]
    above = [line * max(text.count("\n") + 1 for text in texts) for texts in headings]
    tall = [max(_height(panel, side) for panel in row) for row in rows]
    width = columns * (side + gap) + gap
    height = sum(above) + sum(tall) + (len(rows) + 1) * gap + (line if note else 0)
    dpi = 100 * unit
    figure = Figure(figsize=((width + 1e-3) / dpi, (height + 1e-3) / dpi), dpi=dpi)
    top = height - gap
    for number, row in enumerate(rows):
        top -= above[number]
        for column, (heading, panel) in enumerate(zip(headings[number], row, strict=True)):
            left, high = gap + column * (side + gap), _height(panel, side)
            place = (left / width, (top - high) / height, side / width, high / height)
            axes = figure.add_axes(place, frameon=False)
            edges = -0.5, panel.shape[1] - 0.5, panel.shape[0] - 0.5, -0.5
            axes.imshow(panel.array, extent=edges, aspect="auto", interpolation="nearest")
            axes.set_axis_off()
            if zoom and number % 2 == 0:
                _frame(axes, *zoom)
            words = figure.text(left / width, (top + gap / 3) / height, "", fontsize=_size(FONT))
            _text.write(words, heading)
        top -= tall[number] + gap
    if note:
        figure.text(gap / width, gap / height, note, fontsize=_size(FONT))
    return figure


def _panel_width(rows, columns):
    """Device pixels of a panel, a multiple of the picture's width, and of one CSS pixel."""
    room = min((WIDTH - GAP * (columns + 1)) / columns, MAX_PANEL) * DENSITY
    widest = max(panel.shape[1] for row in rows for panel in row)
    side = widest * round(room / widest) if room > 0.67 * widest else int(room)
    return side, DENSITY * max(1, side / room)


def _height(panel, side):
    return round(side * panel.shape[0] / panel.shape[1])


def _heading(title, caption, wrap):
    return "\n".join(filter(None, (_text.wrapped(text, max(wrap, 8)) for text in (title, caption))))


def _frame(axes, top, left, size):
    for colour, style in (("white", "-"), ("black", "--")):
        axes.add_patch(
            Rectangle((left - 0.5, top - 0.5), size, size, fill=False, ec=colour, ls=style, lw=1.2)
        )


def _chart(points, title, xlabel, ylabel, log, oracle, mark):
    """A figure of curves."""
    figure = Figure(figsize=(WIDTH / 100, 3.8), dpi=100 * DENSITY, layout="constrained")
    axes = figure.add_subplot()
    for number, (label, (x, y)) in enumerate(points.items()):
        axes.plot(
            x,
            y,
            label=str(number),  # the words come later: Matplotlib leaves out some, such as "_loss"
            color=COLOURS[number % len(COLOURS)],
            linestyle="--" if label in oracle else "-",
            linewidth=1.6,
            marker=MARKERS[number % len(MARKERS)],
            markevery=_marker_places(x, number, log),
        )
    axes.set_xscale("log" if "x" in log else "linear")
    axes.xaxis.set_major_formatter("{x:g}")
    if "x" in log:
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    axes.set_yscale("log" if "y" in log else "linear")
    _mark(axes, mark)
    room = WIDTH * (0.5 if len(points) > 4 else 0.7)  # a long legend stands beside the axes
    _label(axes.xaxis.label, xlabel, FONT, room)
    _label(axes.yaxis.label, ylabel, FONT, 0.3 * WIDTH)
    _label(axes.set_title("", loc="left"), title, FONT + 2, room)
    axes.tick_params(labelsize=_size(FONT - 1))
    axes.grid(color="0.88")
    axes.spines[["top", "right"]].set_visible(False)
    legend = {"fontsize": _size(FONT - 1), "framealpha": 0.85, "handlelength": 3}
    if len(points) > 4:
        _name_curves(figure.legend(loc="outside right upper", **legend), points, oracle)
    elif len(points) > 1 or oracle:
        _name_curves(axes.legend(**legend), points, oracle)
    return figure


def _label(artist, text, size, room):
    """Write a text of a font size into so many CSS pixels."""
    artist.set_fontsize(_size(size))
    _text.write(artist, _text.wrapped(text, int(room / (_text.LETTER * size))))


def _name_curves(legend, labels, oracle):
    for artist, label in zip(legend.get_texts(), labels, strict=True):
        words = f"{label} ({ORACLE})" if label in oracle else label
        _label(artist, words, FONT - 1, 0.4 * WIDTH)


def _place(text, position, log):
    """The position of a mark as a float."""
    number = as_float(position)
    if not math.isfinite(number) or ("x" in log and number <= 0):
        above = " above 0" if "x" in log else ""
        raise ValueError(f"mark {text!r} is at {position!r}: give a place on the x axis{above}")
    return number


def _points(label, values, log):
    """The x and y arrays of one curve, copies."""
    pair = isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1
    y = _array(values[1] if pair else values)
    x = _array(values[0]) if pair else np.arange(y.size)
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"the curve {label!r} has x of shape {x.shape} and y of shape {y.shape}")
    drawn = np.isfinite(y) & ((y > 0) | ("y" not in log)) & ((x > 0) | ("x" not in log))
    if not drawn.any():
        raise ValueError(
            f"the curve {label!r} has no value to draw: all are NaN, infinite, or not above 0 "
            "for a logarithmic axis"
        )
    return x, y


def _marker_places(x, number, log):
    """Indices of up to eight markers, evenly spread over the axis, not the same for all curves."""
    if len(x) <= 12:
        return None
    place = np.log(np.maximum(x, x[x > 0].min())) if "x" in log else x
    goals = np.linspace(place.min(), place.max(), 9)[:-1] + np.ptp(place) / 40 * (number % 5)
    return np.unique([np.abs(place - goal).argmin() for goal in goals]).tolist()


def _array(values):
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
    return np.asarray(values, dtype=float).copy()


def _mark(axes, mark):
    for number, (text, position) in enumerate(mark.items()):
        axes.axvline(position, color="0.3", linewidth=1.3, linestyle=":")
        place = axes.transData.transform((position, 1))[0] - axes.bbox.x0
        right = place > axes.bbox.width / 2
        artist = axes.annotate(
            "",
            (position, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if right else 4, -4 - 16 * number),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )
        _label(artist, f"{text}: {position:g}", FONT - 1, 0.4 * WIDTH)


def _chart_text(points, title, xlabel, oracle, mark):
    parts = []
    for label, (x, y) in points.items():
        first, last = np.flatnonzero(np.isfinite(y))[[0, -1]]
        parts.append(
            f"{label}{f' ({ORACLE})' if label in oracle else ''}: "
            f"from {y[first]:.3g} at {x[first]:g} to {y[last]:.3g} at {x[last]:g}"
        )
    parts += [f"marked: {text} at {position:g}" for text, position in mark.items()]
    about = f"{title}, line chart" if title else "Line chart"
    return f"{about} over {xlabel or 'x'}. {'; '.join(parts)}."


def _size(css_pixels):
    """Font size in points, at 100 CSS pixels an inch."""
    return css_pixels * 0.72


def _finish(figure, alt, display, draw):
    """Turn a figure into a Picture, which can draw it again, and show it unless told otherwise."""
    alt, file = _text.plain(alt), io.BytesIO()
    with held():  # the first one imports
        figure.savefig(file, format="png", dpi=figure.dpi, metadata={"Description": alt})
    picture = Picture(file.getvalue(), draw)
    if display:
        picture.show()
    return picture
