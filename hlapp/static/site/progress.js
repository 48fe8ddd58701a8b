// Keeps the page after an install up to date while something is under way: asks for the same page, and takes its part.
"use strict";
(() => {
  const EVERY_MS = 4000;
  const LONGEST_MS = 60 * 60 * 1000; // the link lives for an hour
  const began = Date.now();

  async function look() {
    const shown = document.querySelector("[data-progress]");
    if (!shown || !shown.hasAttribute("data-goes-on") || Date.now() - began > LONGEST_MS) return;
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
        if (!answer.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.querySelector("[data-progress]");
        if (next && next.innerHTML !== shown.innerHTML) shown.replaceWith(next);
      } catch {
        // The network is away for a moment: the next look tries again.
      }
    }
    setTimeout(look, EVERY_MS);
  }

  setTimeout(look, EVERY_MS);
})();
