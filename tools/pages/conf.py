"""How Sphinx makes pages of executed lessons. They must work from disk, without any network."""

project = "The Deep Image Prior"
author = "the dipcourse authors"
project_copyright = f"{author}. Text and figures: CC BY 4.0. Code: MIT."
language = "en"

extensions = ["myst_nb", "tools.mathml"]
extensions += ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "tools.reference"]
exclude_patterns = []
smartquotes = False

# The notebooks come executed. Nothing draws widgets: that script would come from elsewhere.
nb_execution_mode = "off"
nb_ipywidgets_js = {}

# Markdown as Jupyter reads it: formulas, and none of MyST's own syntax.
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_disable_syntax = ["myst_line_comment", "myst_block_break", "myst_role", "myst_target"]
myst_dmath_double_inline = True
myst_dmath_allow_labels = False
myst_heading_anchors = 4
myst_update_mathjax = False
html_math_renderer = "mathml"

# The reference of the package, from its docstrings.
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True
napoleon_custom_sections = [("Returns (on a call)", "returns_style")]
autodoc_inherit_docstrings = False  # torch's own words on forward
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False

# Furo: two style sheets and one script, no fonts and no frameworks; dark, light and printed pages.
html_theme = "furo"
html_title = project
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["book.css"]
html_favicon = "static/icon.svg"
html_copy_source = False
html_use_index = False
html_show_search_summary = False  # would fetch the pages, which browsers forbid on file://
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
