"""Text that people give, drawn as it is: no markup, and in a font that has its characters."""

import itertools
import textwrap
import unicodedata
from functools import cache

import matplotlib
from matplotlib import font_manager
from matplotlib.font_manager import FontEntry, FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

MISSING = "□"  # stands for a character that no font has
LETTER = 0.56  # the width of a usual letter, in font sizes
USUAL_WEIGHT = 400  # of a font: 100 is thin, 700 bold
#: Fonts of Matplotlib that have other signs, or boxes, in the place of characters.
MISLEADING = ("Last Resort", "STIXNon", "STIXSize", "cm")
LACKING = {"Zs": " ", "Cf": "", "Mn": "", "Me": ""}  # spaces, and marks on other characters

#: Character that the usual fonts lack → font family that has it, or None.
_found: dict[str, str | None] = {}
_told = False


def plain(text: object) -> str:
    """The text with spaces for control characters; a half character becomes "�".

    Args:
        text: string, or what is shown as its ``str``.

    Returns:
        String.

    Built in lesson 00 (used).

    >>> plain("a\\tb")
    'a b'
    """
    kinds = {"Cc": " ", "Cs": "\N{REPLACEMENT CHARACTER}"}
    return "".join(c if c == "\n" else kinds.get(unicodedata.category(c), c) for c in str(text))


def write(artist: Text, text: str) -> Text:
    """Let a text of Matplotlib show these very characters.

    Args:
        artist: a ``matplotlib.text.Text``.
        text: string.

    Returns:
        The artist.

    Built in lesson 00 (used).

    >>> write(Text(), "$x$").get_parse_math()
    False
    """
    artist.set_parse_math(False)
    artist.set_usetex(False)
    artist.set_text(drawable(text))
    if others := _other_families(text):
        artist.set_fontfamily([*_usual(), *others])
    return artist


def wrapped(text: object, columns: int) -> str:
    """The text as it is drawn, in lines of at most so many usual letters; its line ends stay.

    Args:
        text: string, or what is shown as its ``str``.
        columns: width of a line, in usual letters.

    Returns:
        String.

    Built in lesson 00 (used).

    >>> wrapped("one two three", 8)
    'one two\\nthree'
    """
    text = drawable(text)
    fonts = _usual() + _other_families(text)
    font = get_font([file_of(name) for name in fonts])
    lines = (_lines(line, columns, font) for line in text.split("\n"))
    return "\n".join(itertools.chain.from_iterable(lines))


def drawable(text: object) -> str:
    """The plain text with MISSING for characters that no font here has, which is said once.

    Args:
        text: string, or what is shown as its ``str``.

    Returns:
        String.

    Built in lesson 00 (used).

    >>> drawable("λ = 0.1")
    'λ = 0.1'
    """
    text = plain(text)
    missing = {c for c, family in lacking(text).items() if family is None}
    signs = {c: LACKING.get(unicodedata.category(c), MISSING) for c in missing}
    _say(sorted(c for c, sign in signs.items() if sign == MISSING))
    return "".join(signs.get(c, c) for c in text)


def _say(missing: list[str]) -> None:
    global _told
    if missing and not _told:
        _told = True
        print(
            f"No font here has {' '.join(missing[:5])}: figures show {MISSING} for what no font "
            "has. Install one, such as Noto Sans CJK or Noto Emoji, and restart the kernel."
        )


def _lines(line: str, columns: int, font: FT2Font) -> list[str]:
    """Narrower and narrower, until wide letters fit too."""
    for width in range(max(columns, 1), 0, -1):
        lines = textwrap.wrap(line, width)
        if max((_letters(part, font) for part in lines), default=0) <= columns:
            break
    return lines


def _letters(text: str, font: FT2Font) -> float:
    """The width of a line in usual letters."""
    font.set_size(100, 72)
    font.set_text(text)
    return font.get_width_height()[0] / 64 / (100 * LETTER)


def _usual() -> list[str]:
    return list(matplotlib.rcParams["font.family"])


def _other_families(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, lacking(plain(text)).values())))


def lacking(text: str) -> dict[str, str | None]:
    """The characters that the usual fonts lack → a family that has them, or None.

    Args:
        text: string.

    Returns:
        Dict of character → name of a font family; empty if the usual fonts have all.

    Built in lesson 00 (used).

    >>> lacking("λ = 0.1")
    {}
    """
    fonts = [get_font(file_of(name)) for name in _usual()]
    lost = [c for c in dict.fromkeys(text) if c != "\n" and not any(_has(f, c) for f in fonts)]
    if new := set(lost) - set(_found):
        _search(new)
    return {c: _found[c] for c in lost}


def _search(characters: set[str]) -> None:
    """Look through all fonts, the plain ones first."""
    _add_new_fonts()
    fonts = sorted(font_manager.fontManager.ttflist, key=_oddness)
    _found.update(dict.fromkeys(characters))
    left = set(characters)
    for font in {f.name: f for f in reversed(fonts)}.values():
        if not font.name.startswith(MISLEADING):
            drawn = {c for c in left if _draws(font.fname, c)}
            _found.update(dict.fromkeys(drawn, font.name))
            left -= drawn


def _oddness(font: FontEntry) -> tuple[bool, int]:
    """Small for a font that stands upright and is neither thin nor bold."""
    weight = font.weight
    if isinstance(weight, str):
        weight = font_manager.weight_dict[weight]
    return font.style != "normal", abs(weight - USUAL_WEIGHT)


@cache
def _add_new_fonts() -> None:
    """Fonts that were installed since Matplotlib last looked."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError, NotImplementedError, UnicodeError):
            continue  # no font that Matplotlib can use, such as one of coloured pictures


def _has(font: FT2Font, character: str) -> bool:
    return font.get_char_index(ord(character)) != 0


def _draws(file: str, character: str) -> bool:
    """Has the font an outline there? Coloured emoji are bitmaps, which Matplotlib cannot draw."""
    try:
        font = get_font(file)
        if not _has(font, character):
            return False
        font.set_size(12, 72)
        font.load_char(ord(character))
        return font.get_path()[0].size > 0
    except (OSError, RuntimeError):  # deleted since, or one of bitmaps alone
        return False


def file_of(family: str) -> str:
    """The file in which Matplotlib finds a font family.

    Args:
        family: name of a font family.

    Returns:
        Path of the file.

    Built in lesson 00 (used).

    >>> file_of("DejaVu Sans")[-14:]
    'DejaVuSans.ttf'
    """
    return findfont(FontProperties(family=[family]))
