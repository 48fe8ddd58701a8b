"""The style sheet of a brand: its colours, with text on them and links beside them that people can read (WCAG 2.2 AA).

Contrast is that of https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio; text needs 4.5.
"""

from __future__ import annotations

from integrations.console.brand.brand_file import Brand

Rgb = tuple[int, int, int]
_WHITE: Rgb = (255, 255, 255)
_NIGHT: Rgb = (11, 16, 36)
# The grounds of hlapp/static/site/site.css that links stand on, the one of least contrast: light and dark.
_LIGHT_GROUND: Rgb = (246, 247, 251)
_DARK_GROUND: Rgb = (23, 29, 48)
READABLE = 4.5


def css(brand: Brand) -> str:
    """The variables that site.css reads, for light and dark pages; empty without a colour."""
    if not brand.colour:
        return ""
    light = _variables(_rgb(brand.colour), _LIGHT_GROUND, towards=(0, 0, 0))
    dark = _variables(_rgb(brand.colour_dark), _DARK_GROUND, towards=_WHITE)
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast of two colours, from 1 to 21."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _variables(colour: Rgb, ground: Rgb, *, towards: Rgb) -> str:
    ink = max((_WHITE, _NIGHT), key=lambda one: contrast(colour, one))
    return f"--accent: {_hex(colour)}; --accent-ink: {_hex(ink)}; --link: {_hex(_readable(colour, ground, towards))};"


def _readable(colour: Rgb, ground: Rgb, towards: Rgb) -> Rgb:
    """The colour, mixed with as little of `towards` as makes it readable on the ground."""
    shades = (_mixed(colour, towards, share / 20) for share in range(21))
    return next(shade for shade in shades if contrast(shade, ground) >= READABLE)


def _mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _luminance(colour: Rgb) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(text: str) -> Rgb:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
