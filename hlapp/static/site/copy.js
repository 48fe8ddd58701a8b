// Copies a text of the page. The button names the element by `data-copies`; it is hidden until this script can serve it.
"use strict";
(() => {
  const SHOWN_MS = 4000;

  // Without HTTPS browsers have no clipboard API: the text is selected and copied the old way.
  async function copy(source) {
    if (navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(source.textContent);
        return true;
      } catch { /* not allowed here: the old way */ }
    }
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }

  function serve(button) {
    const source = document.getElementById(button.dataset.copies);
    const said = button.parentElement.querySelector("[role=status]");
    if (!source) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copy(source);
      if (!said) return;
      said.textContent = done ? "Copied." : "Not copied: the text is selected, press Ctrl+C.";
      setTimeout(() => { said.textContent = ""; }, SHOWN_MS);
    });
  }

  const start = () => document.querySelectorAll("[data-copies]").forEach(serve);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
