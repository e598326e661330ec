"""The scripts of the course: what they share stands in common.js alone."""

import json
import uuid
from pathlib import Path

from dipcourse._palette import COLOURS, ON_DARK, PAINT


def code(kind: str) -> str:
    """The code of a script, with the colours and the common part in front of it.

    Args:
        kind: "player", "compare", "draw" or "pick".

    >>> "function add(" in code("draw")
    True
    """
    folder = Path(__file__).parent
    colours = {"ACCENT": COLOURS[0], "ON_DARK": ON_DARK[0], "PAINT": PAINT}
    parts = [f'const {name} = "{colour}";' for name, colour in colours.items()]
    parts += [(folder / f"{name}.js").read_text("utf-8") for name in ("common", kind)]
    return "\n".join(parts)


def alive(kind: str, without_script: str, data: dict[str, object]) -> str:
    """HTML that a script brings to life.

    Args:
        kind: "player" or "compare".
        without_script: HTML for readers without scripts; the script hides it.
        data: what the script gets, of what JSON can hold.

    >>> html = alive("compare", "two pictures", {"title": "</script>"})
    >>> html.count("</script>")
    1
    """
    name = uuid.uuid4().hex
    packed = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<div class="dipcourse dipcourse-{kind}" data-player="{name}">{without_script}</div>\n'
        f'<script>(() => {{\n{code(kind)}\nawaken("{name}", {packed}, {kind});\n}})();</script>'
    )
