// Keeps parts of an open page up to date: asks for the page's own address, and replaces what changed (core/pages/live.py).
//
// One request at a time, EVERY apart at least; none while the tab is hidden, the operator paused it, has chosen rows or
// is typing in one of the parts. When the server fails, the pauses double up to LONGEST. It ends with the session.
"use strict";
(() => {
  const EVERY = 5000, LONGEST = 120000, PAUSED = "live-paused";

  class Live {
    constructor(bar) {
      this.parts = bar.dataset.live;
      this.said = bar.querySelector(".live-said");
      this.at = bar.querySelector(".live-at");
      this.button = bar.querySelector(".live-pause");
      this.bar = bar;
      this.wait = EVERY;
      this.askedAt = Date.now();
      this.timer = 0;
      this.ended = false;
      this.asking = false;
      this.paused = remembered();
      this.button.addEventListener("click", () => this.pause(!this.paused));
      document.addEventListener("visibilitychange", () => this.plan());
      window.addEventListener("pageshow", (event) => { if (event.persisted) this.plan(); });
      bar.hidden = false;
      this.date();
      this.show();
      this.plan();
    }

    pause(paused) {
      this.paused = paused;
      this.wait = EVERY;
      remember(paused);
      this.show();
      this.plan();
    }

    // The next request: EVERY after the last one began, or later while the server fails.
    plan() {
      clearTimeout(this.timer);
      if (this.ended || this.paused || this.asking || document.hidden) return;
      this.timer = setTimeout(() => this.ask(), Math.max(0, this.askedAt + this.wait - Date.now()));
    }

    async ask() {
      this.askedAt = Date.now();
      if (this.isInUse()) return this.plan();
      this.asking = true;
      try {
        await this.update();
      } catch {
        this.failed(0);
      }
      this.asking = false;
      this.plan();
    }

    async update() {
      const stop = new AbortController();
      const late = setTimeout(() => stop.abort(), 20000);
      const answer = await fetch(location.href.split("#")[0], {
        headers: { "X-Live": "1" }, redirect: "manual", cache: "no-store", signal: stop.signal,
      });
      const text = answer.ok ? await answer.text() : "";
      clearTimeout(late);
      if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) return this.end();
      if (!answer.ok) return this.failed(Number(answer.headers.get("Retry-After")) || 0);
      this.wait = EVERY;
      if (!this.paused && !this.isInUse()) this.replace(new DOMParser().parseFromString(text, "text/html"));
      this.date();
      this.show();
    }

    date() {
      this.at.textContent = `as of ${new Date().toLocaleTimeString()}`;
    }

    replace(page) {
      window.showLocalTimes?.(page.body);  // zone.js, where the operator's zone is not UTC
      const old = [...document.querySelectorAll(this.parts)], fresh = [...page.querySelectorAll(this.parts)];
      if (old.length !== fresh.length) location.reload();  // a list that was empty has rows now, or the other way round
      else old.forEach((part, index) => become(part, fresh[index]));
    }

    isInUse() {
      const parts = [...document.querySelectorAll(this.parts)];
      const typing = document.activeElement;
      if (typing && /^(INPUT|SELECT|TEXTAREA)$/.test(typing.nodeName) && parts.some((part) => part.contains(typing))) return true;
      return parts.some((part) => part.querySelector("input[type=checkbox]:checked"));
    }

    failed(seconds) {
      this.wait = Math.min(LONGEST, Math.max(2 * this.wait, seconds * 1000));
      this.say("late", `No answer from the server. The next try is in ${Math.round(this.wait / 1000)} seconds.`);
    }

    end() {
      this.ended = true;
      this.button.hidden = true;
      this.say("late", "No longer up to date: you are signed out, or this page is gone. Load it again.");
    }

    show() {
      this.button.textContent = this.paused ? "Go on" : "Pause";
      this.say(this.paused ? "paused" : "", this.paused ? "Updates are paused." : "");
    }

    // Said once, so that a screen reader repeats nothing; that all is well is not said.
    say(state, words) {
      this.bar.dataset.state = state;
      if (this.said.textContent !== words) this.said.textContent = words;
    }
  }

  const remembered = () => {
    try { return sessionStorage.getItem(PAUSED) === "1"; } catch { return false; }
  };
  const remember = (paused) => {
    try { sessionStorage.setItem(PAUSED, paused ? "1" : "0"); } catch { /* not allowed here */ }
  };

  // Makes one element like the other, and touches only what differs: focus, scroll positions and open details stay.
  function become(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeName !== fresh.nodeName) return old.replaceWith(document.importNode(fresh, true));
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.dataset.live !== undefined) return;  // this bar itself
    for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !STAYS.has(name)) old.removeAttribute(name);
    const before = [...old.childNodes], after = [...fresh.childNodes];
    after.forEach((node, index) => {
      if (index < before.length) become(before[index], node);
      else old.append(document.importNode(node, true));
    });
    before.slice(after.length).forEach((node) => node.remove());
  }
  const STAYS = new Set(["open", "style", "hidden"]);  // set by the operator, or by a script of the page

  const start = () => document.querySelectorAll("[data-live]").forEach((bar) => new Live(bar));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
