"""Sphinx configuration: `make docs` builds the pages into docs/_build without a warning."""

project = "Quorumbook"
project_copyright = "2026, The Quorumbook Authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Quorumbook"
exclude_patterns = ["_build"]


def setup(app: object) -> None:
    """Blocks marked `hex` are bytes that a test reads; show them as they are."""
    from pygments.lexers.special import TextLexer
    from sphinx.highlighting import lexers

    lexers["hex"] = TextLexer()
