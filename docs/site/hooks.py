"""Hooks of mkdocs: README.md and its neighbours become pages, and links to files of the code become plain text.

The documents are written to be read in the repository too, where such links lead somewhere. A built page names what it
may run: the site's own files, and what the theme writes into it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Pages that are made of documents beside `docs/`.
BESIDE = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "reporting.md": "SECURITY.md",
}
_PAGES = {(ROOT / source).resolve(): page for page, source in BESIDE.items()}
_FENCE = re.compile(r"(^ {0,3}(?:```|~~~).*?^ {0,3}(?:```|~~~)[^\n]*$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^\s()]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#", re.IGNORECASE)
_DROPPED = re.compile(r"[^\w\- ]")
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_STYLE_ATTRIBUTE = re.compile(r"(<\w[^<>]*?) style=\"[^\"]*\"")  # of the theme: widths and spaces of a few elements
# The theme's script for dark pages sets attributes of these, which are there only with its highlighter, and else ends.
_ABSENT = '<meta id="hljs-light"><meta id="hljs-dark">'


def on_config(config: Any) -> Any:
    """Name headings as the repository's viewer does, so that one link works in both."""
    config["mdx_configs"].setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the documents beside `docs/`."""
    for page, source in BESIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of a page. What is fenced as code stays."""
    uri = page.file.src_uri
    source = ROOT / BESIDE[uri] if uri in BESIDE else DOCS / uri
    pieces = _FENCE.split(markdown)
    pieces[::2] = [_LINK.sub(lambda found: rewritten(found, source, uri), piece) for piece in pieces[::2]]
    return "".join(pieces)


def on_post_template(output_content: str, template_name: str, **_: Any) -> str:
    """The page of unknown addresses is a template of the theme."""
    return with_policy(output_content) if template_name.endswith(".html") else output_content


def on_post_page(output: str, **_: Any) -> str:
    """Give the page its Content-Security-Policy."""
    return with_policy(output)


def with_policy(html: str) -> str:
    """The page with a Content-Security-Policy that names what stands in it by hashes."""
    html = _STYLE_ATTRIBUTE.sub(r"\1", html)
    allowed = {"script": "'self'", "style": "'self'"}
    for kind, text in _INLINE.findall(html):
        allowed[kind] += f" 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    policy = (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; worker-src 'self'; "
        "connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'"
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return html.replace("<head>", f"<head>\n{meta}{_ABSENT}", 1)


def rewritten(found: re.Match[str], source: Path, uri: str) -> str:
    """A link for the site: to a page of it, or only its words."""
    words, link = found[1], found[2]
    if _ELSEWHERE.match(link):
        return found[0]
    path, _, anchor = link.partition("#")
    target = (source.parent / path).resolve()
    if (target / "README.md").is_file():
        target /= "README.md"
    page = _PAGES.get(target) or (target.relative_to(DOCS).as_posix() if target.is_relative_to(DOCS) else "")
    if not page or target.is_dir():
        return words
    relative = os.path.relpath(page, Path(uri).parent.as_posix())
    return f"[{words}]({relative}{'#' if anchor else ''}{anchor})"


def slug(text: str, separator: str) -> str:
    """The anchor of a heading."""
    return _DROPPED.sub("", text.strip().lower()).replace(" ", separator)
