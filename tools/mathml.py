"""A Sphinx extension: formulas as MathML, which browsers draw without any script."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

# What latex2mathml does not know, and what it knows instead.
REPLACED = {
    r"\\arg(?![a-zA-Z])": r"\\operatorname{arg}",
    r"\\operatorname\*": r"\\operatorname",
    r"\{aligned\}": "{align*}",
    r"\\(begin|end)\{equation\*?\}": "",
}
# Upright: fonts with slanted Greek letters for formulas are not on every computer.
GREEK = re.compile(r"<mi>(?=(&#x0*3[0-9A-Fa-f]{2};|[\u0370-\u03ff])</mi>)")


def mathml(formula, display="inline"):
    r"""Return a LaTeX formula as MathML.

    >>> mathml("x").startswith("<math"), "arg" in mathml(r"\arg\min_x")
    (True, True)
    """
    for unknown, known in REPLACED.items():
        formula = re.sub(unknown, known, formula)
    result = GREEK.sub(r'<mi mathvariant="normal">', convert(formula, display=display))
    if left := re.search(r"\\[A-Za-z]+", result):
        raise ValueError(f"{left[0]} has no MathML: write {formula.strip()} in another way")
    return result


def _write(writer, node, before="", after="", **options):
    try:
        writer.body.append(before + mathml(node.astext(), **options) + after)
    except Exception as error:  # latex2mathml has many kinds
        logging.getLogger(__name__).warning("%s: %s", node.astext(), error, location=node)
    raise nodes.SkipNode


def inline(writer, node):
    _write(writer, node)


def block(writer, node):
    _write(writer, node, '<div class="math">', "</div>", display="block")


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
