"""How large figures and their letters are: CSS pixels, of which a notebook offers so many."""

WIDTH = 900  # CSS pixels, what a notebook offers
LEGIBLE = 640  # CSS pixels: in a narrower window a figure is scrolled, and shrinks no further
DENSITY = 2  # device pixels per CSS pixel
FONT = 14  # CSS pixels


def points(css_pixels: float) -> float:
    """A font size in points, at 100 CSS pixels an inch.

    Args:
        css_pixels: the font size in CSS pixels.

    Returns:
        A float.

    Built in lesson 00 (used).

    >>> points(100)
    72.0
    """
    return css_pixels * 0.72
