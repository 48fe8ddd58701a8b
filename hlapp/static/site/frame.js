// The script of a page in the agency's iframe: gets and renews the ticket of its user, and sends it with each request.
// The ticket lives in this closure only: not in storage, not in a cookie.
//
// hlapp.fetch(url, options)  as `fetch`, to this site, with the ticket
// hlapp.json(url, options)   the parsed answer; throws an Error with `status` and `words` for a refusal
// hlapp.load(url, options)   shows another page of the app in this frame
// Events of `document`: "hlapp:page" when a page is shown, "hlapp:tenant" when the user has changed to another account.
"use strict";
window.hlapp = (() => {
  const ASK_AGAIN_MS = 1000;
  const ASK_TIMES = 8;
  const LOOK_AGAIN_MS = 60000;
  const session = document.querySelector('meta[name="hlapp-session"]');
  const shell = document.querySelector("[data-embedded-page]");
  let ticket = null;
  let tenant = null;
  let asked = 0;
  let exchanging = null;
  let shown = 0;

  // The parent may be any of thousands of white-label hosts, so the question goes to "*": it carries nothing.
  // The answer counts only when it comes from that very window, and is proven by the server alone.
  function askParent() {
    if (window.parent === window) return Promise.reject(new Error("not in a frame"));
    return new Promise((resolve, reject) => {
      let times = 0;
      const timer = setInterval(ask, ASK_AGAIN_MS);
      function ask() {
        if (times++ >= ASK_TIMES) return finish(reject, new Error("no answer"));
        window.parent.postMessage({ message: "REQUEST_USER_DATA" }, "*");
      }
      function heard(event) {
        if (event.source !== window.parent || !event.data) return;
        if (event.data.message !== "REQUEST_USER_DATA_RESPONSE") return;
        finish(resolve, event.data.payload);
      }
      function finish(settle, value) {
        clearInterval(timer);
        window.removeEventListener("message", heard);
        settle(value);
      }
      window.addEventListener("message", heard);
      ask();
    });
  }

  // True when the ticket is another account's than the one before. Requests at the same time share one exchange,
  // because the user data opens one session only.
  function exchange() {
    exchanging ??= begin().finally(() => { exchanging = null; });
    return exchanging;
  }

  async function begin() {
    const payload = await askParent();
    const headers = { Accept: "application/json", "Content-Type": "application/json" };
    const body = JSON.stringify({ payload, app: session.dataset.app });
    const answer = await read(await fetch(session.content, { method: "POST", headers, body, credentials: "omit" }));
    const switched = tenant !== null && tenant !== answer.tenant;
    [ticket, tenant, asked] = [answer.ticket, answer.tenant, Date.now()];
    if (switched) document.dispatchEvent(new CustomEvent("hlapp:tenant"));
    return switched;
  }

  async function read(response) {
    const body = await response.json();
    if (response.ok) return body;
    throw Object.assign(new Error(body.error.message), { status: response.status, words: body.error });
  }

  async function send(url, options = {}) {
    const target = new URL(url, location.href);
    if (target.origin !== location.origin) throw new TypeError("the ticket is for this site only");
    if (ticket === null) await exchange();
    const again = () => {
      const headers = new Headers(options.headers);
      if (!headers.has("Accept")) headers.set("Accept", "application/json, text/html;q=0.9");
      headers.set("Authorization", `Bearer ${ticket}`);
      return fetch(target, { ...options, headers, credentials: "omit" });
    };
    const response = await again();
    if (response.status !== 401) return response;
    // The ticket has expired, and nothing has happened. What was meant for one account must not reach another.
    if (await exchange()) throw Object.assign(new Error("another account is open now"), { switched: true });
    return again();
  }

  async function load(url, options = {}) {
    const mine = ++shown;
    document.getElementById("main").setAttribute("aria-busy", "true");
    try {
      const response = await send(url, options);
      const isPage = (response.headers.get("Content-Type") || "").startsWith("text/html");
      if (!response.ok && !isPage) await read(response);
      const text = await response.text();
      if (mine !== shown) return;
      show(new DOMParser().parseFromString(text, "text/html"));
      const address = new URL(response.url);
      address.hash = new URL(url, location.href).hash;
      if (options.keepAddress !== true && address.href !== location.href) history.pushState(null, "", address);
      document.dispatchEvent(new CustomEvent("hlapp:page"));
    } catch (error) {
      if (mine === shown && !error.switched) fail(error, url, options);
    } finally {
      document.getElementById("main").removeAttribute("aria-busy");
    }
  }

  function show(page) {
    const main = page.getElementById("main");
    document.title = page.title;
    document.getElementById("main").replaceChildren(...(main || page.body).childNodes);
    window.scrollTo(0, 0);
    // The parser starts no script. The policy of the page lets in those of this site only.
    for (const found of page.head.querySelectorAll("script[src], link[rel=stylesheet]")) {
      const name = found.localName === "script" ? "src" : "href";
      const there = [...document.head.querySelectorAll(found.localName)].some((one) => one[name] === found[name]);
      if (there) continue;
      const made = document.createElement(found.localName);
      for (const { name: attribute, value } of found.attributes) made.setAttribute(attribute, value);
      document.head.append(made);
    }
  }

  function fail(error, url, options) {
    const message = document.createElement("p");
    message.className = "card attention";
    message.setAttribute("role", "alert");
    message.textContent = error.words
      ? `${error.words.message} ${error.words.what_to_do}`
      : "This page works inside your account only. Open the app from its menu there.";
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button second", textContent: "Open again" });
    // A form is not sent again: nobody knows whether it arrived.
    button.addEventListener("click", () => load((options.method || "GET") === "GET" ? url : location.href));
    document.getElementById("main").replaceChildren(message, button);
  }

  function follow(event) {
    const link = event.target.closest("main a[href]");
    const modified = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!link || modified || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    load(link.href);
  }

  function submit(event) {
    const form = event.target.closest("main form");
    if (!form || event.defaultPrevented) return;
    const button = event.submitter;
    const url = new URL(button?.getAttribute("formaction") || form.getAttribute("action") || location.href, location.href);
    if (url.origin !== location.origin) return;
    event.preventDefault();
    const data = new FormData(form, button);
    if ((button?.getAttribute("formmethod") || form.getAttribute("method") || "get").toLowerCase() === "post") {
      const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
      load(url, { method: "POST", body });
    } else {
      url.search = new URLSearchParams(data);
      load(url);
    }
  }

  // A user who comes back to the window may have changed to another account meanwhile.
  function look() {
    if (document.visibilityState !== "visible" || ticket === null || Date.now() - asked < LOOK_AGAIN_MS) return;
    exchange().catch(() => {}); // the next request says why
  }

  document.addEventListener("visibilitychange", look);
  window.addEventListener("focus", look);
  if (shell) {
    document.addEventListener("click", follow);
    document.addEventListener("submit", submit);
    window.addEventListener("popstate", () => load(location.href, { keepAddress: true }));
    document.addEventListener("hlapp:tenant", () => load(location.href, { keepAddress: true }));
    load(location.href, { keepAddress: true });
  }
  const json = async (url, options) => read(await send(url, options));
  return { fetch: send, json, load };
})();
