"""The colours of the course: the same curve has the same colour in a figure, a page and a panel."""

#: Okabe and Ito's colours, which colour-blind readers tell apart; each comes with its own marker.
COLOURS: tuple[str, ...] = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#7A5195",
)
#: The markers of Matplotlib that go with them.
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "X", "P", "*")
#: For the first two, blue and vermilion: their light neighbours on a dark page.
ON_DARK: tuple[str, ...] = (COLOURS[6], COLOURS[5])
#: What stands beside everything that only the clean image can give.
ORACLE = "needs the clean image"
#: The colour of what is painted on a photo: photos do not have it.
PAINT = "#D63384"


def stroke(number: int) -> str:
    """The attributes that colour a curve of a page, on light and on dark ground.

    Args:
        number: place of the colour in ``COLOURS``, 0 or 1.

    Returns:
        String. The attribute stroke is for browsers that know no light-dark().

    >>> stroke(0)
    'stroke="#0072B2" style="stroke:light-dark(#0072B2,#56B4E9)"'
    """
    light, dark = COLOURS[number], ON_DARK[number]
    return f'stroke="{light}" style="stroke:light-dark({light},{dark})"'
