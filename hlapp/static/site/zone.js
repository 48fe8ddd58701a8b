// Shows times in the operator's time zone, which the browser knows: the server writes all of them as "2026-11-30 12:27:19 UTC".
//
// What says UTC is replaced, in texts and tooltips, and keeps the time in UTC as its tooltip. Files and fields that are
// typed into stay in UTC and say so. It costs no request. A cookie tells the server the zone, in which it draws plots.
"use strict";
(() => {
  const MOMENT = /(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d)(:\d\d)? UTC\b/g;
  const LEFT = "pre, code, textarea, input, select, script, style, svg, label, [data-utc]";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  // For what the server draws (integrations/core/pages/operator_zone.py).
  document.cookie = `zone=${zone}; path=/admin/; max-age=31536000; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
  if (zone === "UTC") return;

  const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const whole = new Intl.DateTimeFormat("en", { ...parts, second: "2-digit", timeZone: zone, timeZoneName: "short" });

  function local(text) {
    return text.replace(MOMENT, (_, year, month, day, hour, minute, second) => {
      const at = new Date(`${year}-${month}-${day}T${hour}:${minute}${second || ":00"}Z`);
      if (Number.isNaN(at.getTime())) return _;
      const found = Object.fromEntries(whole.formatToParts(at).map((part) => [part.type, part.value]));
      const seconds = second ? `:${found.second}` : "";
      return `${found.year}-${found.month}-${found.day} ${found.hour}:${found.minute}${seconds} ${found.timeZoneName}`;
    });
  }

  function show(root) {
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) if (texts.currentNode.data.includes(" UTC")) found.push(texts.currentNode);
    for (const text of found) {
      const here = text.parentElement;
      if (!here || here.closest(LEFT)) continue;
      const changed = local(text.data);
      if (changed === text.data) continue;
      const exact = text.data.match(MOMENT);
      if (!here.title && exact.length === 1) here.title = exact[0];
      here.dataset.utc = "";  // done: its tooltip is in UTC
      text.data = changed;
    }
    for (const one of root.querySelectorAll("[title*=' UTC']:not([data-utc])")) {
      const changed = local(one.title);
      if (changed !== one.title) one.title = `${changed}, ${one.title}`;
      one.dataset.utc = "";
    }
  }

  // For live.js, too: a page that is asked for again is put into local time before the two are compared.
  window.showLocalTimes = show;
  const begin = () => show(document.getElementById("main") || document.body);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
