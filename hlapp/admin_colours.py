"""The primary colour of the admin pages, from light to dark (unfold's COLORS)."""

from __future__ import annotations

PRIMARY = {
    "50": "oklch(97% .014 268)",
    "100": "oklch(93.5% .032 268)",
    "200": "oklch(88% .06 268)",
    "300": "oklch(80% .1 268)",
    "400": "oklch(72% .15 268)",
    "500": "oklch(65.5% .2 268)",
    "600": "oklch(55.5% .24 267)",
    "700": "oklch(48% .22 267)",
    "800": "oklch(41% .18 267)",
    "900": "oklch(36% .14 267)",
    "950": "oklch(27% .1 267)",
}
