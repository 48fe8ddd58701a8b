// Django's two boxes to choose from explain themselves in elements whose role allows no name: they get one that does.
"use strict";
addEventListener("load", () => setTimeout(() => {
  for (const hint of document.querySelectorAll("span.help-tooltip[aria-label]")) hint.setAttribute("role", "img");
}));
