"""The figures that lessons call: what is asked for, checked and put into words, then drawn."""

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from dipcourse import images as image_files
from dipcourse import metrics
from dipcourse._palette import COLOURS
from dipcourse.history import History
from dipcourse.show import charts, gallery, panels
from dipcourse.show.picture import Picture, finish

Label = Any  # text as it stands, or a number
Titled = list[tuple[str, torch.Tensor]]  # titles and pictures (1, C, H, W)


def images(
    pictures: Mapping[Label, torch.Tensor],
    reference: torch.Tensor | None = None,
    *,
    hidden: torch.Tensor | None = None,
    zoom: tuple[int, int, int] | None = None,
    limits: tuple[float, float] = (0, 1),
    columns: int | None = None,
    alt: str | None = None,
    display: bool = True,
) -> Picture:
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
    titled = _titled(pictures)
    _require_order(limits)
    _require_scale(titled, limits)
    captions = [_caption(x, reference, hidden) for _, x in titled]
    whole = _whole_pictures(titled, captions, limits, zoom)
    large = [] if zoom is None else _enlarged(titled, limits, zoom)
    rows = panels.in_rows(whole, columns)
    in_a_row = len(rows[0])
    if zoom is not None:
        pairs = zip(rows, panels.in_rows(large, columns), strict=True)
        rows = [row for pair in pairs for row in pair]
    about_psnr = "dB: on hidden pixels" if reference is not None and hidden is not None else ""
    note = "; ".join(filter(None, (_limits_note(*limits), about_psnr)))
    text = alt or _described(titled, captions, note)
    page = partial(gallery.page, whole, large, in_a_row, note)
    return finish(partial(panels.draw, rows, note), text, display, page)


def curves(
    series: Mapping[Label, charts.Series],
    *,
    title: str = "",
    xlabel: str = "step",
    ylabel: str = "",
    log: str = "",
    oracle: str | Iterable[Hashable] = (),
    mark: Mapping[str, float] | None = None,
    alt: str | None = None,
    display: bool = True,
) -> Picture:
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
    drawn = {label: charts.curve_of(label, values, log) for label, values in series.items()}
    oracles = (oracle,) if isinstance(oracle, str) else tuple(oracle)
    marks = {
        text: charts.mark_place(text, position, log) for text, position in (mark or {}).items()
    }
    if unknown := set(oracles) - set(drawn):
        raise ValueError(f"oracle names {unknown}, the curves are {list(drawn)}")
    chart = charts.Chart(drawn, title, xlabel, ylabel, log, oracles, marks)
    return finish(partial(charts.draw, chart), alt or charts.describe(chart), display)


def strip(
    history: History,
    reference: torch.Tensor | None = None,
    count: int = 5,
    mean: bool = False,
    *,
    hidden: torch.Tensor | None = None,
    alt: str | None = None,
    display: bool = True,
) -> Picture:
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


def reference(name: str, *, display: bool = True) -> Picture:
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
        picture = Picture.stored(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    if display:
        picture.show()
    return picture


def _titled(pictures: Mapping[Label, torch.Tensor]) -> Titled:
    """Titles as texts, two of which may be the same, with their pictures."""
    if not isinstance(pictures, dict) or not pictures:
        is_dict = isinstance(pictures, dict)
        got = "no pictures" if is_dict else f"pictures is a {type(pictures).__name__}"
        raise ValueError(f"{got}: give a dict such as {{'noisy': y}}")
    return [(str(title), x) for title, x in pictures.items()]


def _require_order(limits: tuple[float, float]) -> None:
    low, high = limits
    if not low < high:
        raise ValueError(f"limits={limits}: give the value drawn black, then the value drawn white")


def _require_scale(titled: Titled, limits: tuple[float, float]) -> None:
    """Refuse grey levels in [0, 1] limits, and the other way round."""
    beyond = max(map(abs, limits)) > image_files.FAR
    for title, x in titled:
        image_files.require(x, f"the picture {title!r}", unit=not beyond)
    if beyond and all(x.abs().max() <= 1 for _, x in titled):
        raise ValueError(
            f"limits={tuple(limits)}, but no value is beyond ±1: give limits in the units of the "
            "pictures; grey levels are divided by 255"
        )


def _caption(x: torch.Tensor, reference: torch.Tensor | None, hidden: torch.Tensor | None) -> str:
    if reference is None:
        return ""
    image_files.require(reference, "the reference")
    if x.shape != reference.shape:
        return f"{x.shape[2]} × {x.shape[3]} pixels"
    decibels = metrics.psnr(x, reference, hidden)
    if np.isinf(decibels):
        return "equal to the reference"
    return f"{decibels:.1f} dB"


def _whole_pictures(
    titled: Titled,
    captions: list[str],
    limits: tuple[float, float],
    frame: panels.Square | None,
) -> list[panels.Panel]:
    return [
        panels.panel_of(x, title, caption, limits, frame)
        for (title, x), caption in zip(titled, captions, strict=True)
    ]


def _enlarged(
    titled: Titled, limits: tuple[float, float], zoom: panels.Square
) -> list[panels.Panel]:
    return [
        panels.panel_of(image_files.crop(x, *zoom), _joined(title, "enlarged"), limits=limits)
        for title, x in titled
    ]


def _limits_note(low: float, high: float) -> str:
    """What is black and what is white, if that does not go without saying."""
    if (low, high) == (0, 1):
        return ""
    zero = ", grey: 0" if low == -high else ""
    return f"black: {low:g} or less{zero}, white: {high:g} or more".replace("-", "−")


def _described(titled: Titled, captions: list[str], note: str) -> str:
    """The alt text of pictures side by side."""
    names = [
        _joined(title, caption) or "untitled"
        for (title, _), caption in zip(titled, captions, strict=True)
    ]
    count = "A picture" if len(names) == 1 else f"{len(names)} pictures side by side"
    return f"{count}: {'; '.join(names)}{f' ({note})' if note else ''}."


def _joined(*texts: str) -> str:
    return ", ".join(filter(None, texts))
