// Fills the page inside the agency's iframe with the state of its account, which `frame.js` fetches.
"use strict";
(() => {
  const root = document.getElementById("embed");
  const slot = (name) => root.querySelector(`[data-slot="${name}"]`);
  const CONNECTIONS = {
    connected: ["Connected", "good", "This account is kept in sync automatically; there is nothing to do."],
    paused: ["Paused", "warn", "This account is paused or closed. Once it is active again, the sync resumes by itself."],
    reconnect: ["Disconnected", "bad", "Access has ended. Install the app again to go on; the data kept so far stays."],
    ended: ["Disconnected", "bad", "The app was uninstalled here."],
    pending: ["Being set up", "warn", "The connection is being set up. Data starts to arrive in a moment."],
  };
  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function badge(text, tone) {
    slot("badge").textContent = text;
    slot("badge").className = `badge ${tone}`;
  }

  function figure(value, label) {
    const card = element("div", undefined, "card figure");
    card.append(element("strong", value), element("span", label));
    return card;
  }

  function when(iso) {
    return iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "not yet";
  }

  function progress(resource) {
    const cell = element("td");
    if (!resource.running) {
      cell.textContent = resource.synced_at ? `synced, ${when(resource.synced_at)}` : "waiting";
      return cell;
    }
    const bar = element("progress");
    bar.setAttribute("aria-label", `${resource.name} arriving`);
    if (resource.total) Object.assign(bar, { max: resource.total, value: Math.min(resource.seen, resource.total) });
    cell.append(bar);
    return cell;
  }

  function row(resource) {
    const line = element("tr");
    const name = element("th", resource.name);
    name.scope = "row";
    line.append(name, element("td", resource.records.toLocaleString(), "number"), progress(resource));
    return line;
  }

  function show(state) {
    if (state.name) slot("name").textContent = state.name;
    const open = state.installed && state.claimed;
    slot("figures").hidden = !open;
    slot("table").hidden = !(open && state.resources && state.resources.length);
    if (!state.installed) {
      badge("Not installed", "warn");
      slot("message").textContent = "The app is not installed here.";
    } else if (!state.claimed) {
      badge("Waiting for an administrator", "warn");
      slot("message").textContent = "An administrator of this account has to open this page once. Then everybody here can see it.";
    } else {
      const [words, tone, message] = CONNECTIONS[state.connection] || ["Installed", "good", ""];
      badge(words, tone);
      slot("message").textContent = message;
      if (state.place === "company") showCompany(state);
      else showLocation(state);
    }
    showPermissions(open ? state : {});
    showProblems(open ? state : {});
    showAccounts(open ? state.progress : null);
    showEnding(state);
    return state;
  }

  // What fails, in the words of the account's people, and the way to connect again.
  function showProblems(state) {
    const problems = state.problems || [];
    const lost = state.connection === "reconnect" || state.connection === "ended";
    slot("problems").hidden = !problems.length && !lost;
    const lines = problems.map((one) => {
      const line = element("li");
      line.append(element("strong", one.what), element("span", ` ${one.words} ${one.what_to_do}`));
      return line;
    });
    const list = element("ul", undefined, "problems");
    list.append(...lines);
    const parts = lines.length ? [element("h2", "Last problems"), list] : [];
    if (lost) parts.push(connectAgain(state, "Connect again"));
    slot("problems").replaceChildren(...parts);
  }

  function connectAgain(state, words) {
    const link = element("a", words, "button second");
    Object.assign(link, { href: state.reconnect_url, target: "_blank", rel: "noopener" });
    const action = element("p");
    action.append(link);
    return action;
  }

  function showAccounts(progress) {
    const accounts = progress ? progress.accounts : [];
    slot("accounts").hidden = !accounts.length;
    slot("account-rows").replaceChildren(...accounts.map(account));
    const more = progress ? progress.total - accounts.length : 0;
    slot("accounts-more").hidden = more <= 0;
    slot("accounts-more").textContent = `and ${more.toLocaleString()} more`;
  }

  function account(one) {
    const line = element("tr");
    const name = element("th", one.name);
    name.scope = "row";
    if (one.words) name.append(element("small", one.words));
    name.append(...one.fetching.map((part) => element("small", `fetching ${part}`)));
    const state = element("td");
    state.append(element("span", one.state, `badge ${one.tone}`));
    line.append(name, state, element("td", one.of ? `${one.fetched} of ${one.of}` : "–", "number"));
    return line;
  }

  // Uninstalling asks once more, and stays as it was asked while the page is kept up to date.
  let ending = "";

  function showEnding(state) {
    const wanted = state.may_uninstall ? state.place : "";
    slot("ending").hidden = !wanted && state.installed;
    if (!state.installed) {
      slot("ending").replaceChildren(...(state.reconnect_url ? [connectAgain(state, "Install it")] : []));
      slot("ending").hidden = !state.reconnect_url;
    } else if (ending !== wanted) {
      askFirst(state);
    }
    ending = state.installed ? wanted : "";
  }

  function button(words, act) {
    const made = element("button", words, "button second");
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  function askFirst(state) {
    slot("ending").replaceChildren(button("Uninstall …", () => ask(state)));
  }

  function ask(state) {
    const all = state.place === "company" ? "the agency and all its sub-accounts" : state.name;
    const words = element("p", `This ends the access to ${all} at once. The app stops its work there, and its copy of the data is deleted.`);
    const actions = element("div", undefined, "actions");
    actions.append(button("Uninstall", () => uninstall(state)), button("Keep it", () => askFirst(state)));
    slot("ending").replaceChildren(words, actions);
    actions.lastChild.focus();
  }

  async function uninstall(state) {
    slot("ending").replaceChildren(element("p", "Uninstalling …"));
    try {
      await hlapp.json(slot("ending").dataset.uninstall, { method: "POST" });
      follow();
    } catch (error) {
      const words = error.words ? `${error.words.message} ` : "";
      const where = "You can always uninstall it in your account's settings, on the page of installed apps.";
      const note = element("p", `${words}It is still installed. ${where}`);
      note.setAttribute("role", "alert");
      slot("ending").replaceChildren(note, button("Try again", () => ask(state)));
    }
  }

  function showPermissions(state) {
    const missing = state.missing_scopes || [];
    slot("permissions").hidden = !missing.length;
    if (!missing.length) return;
    const disabled = state.disabled.length ? ` So this does not work: ${state.disabled.join(", ")}.` : "";
    const link = element("a", "Grant them", "button second");
    Object.assign(link, { href: state.consent_url, target: "_blank", rel: "noopener" });
    const action = element("p");
    action.append(link);
    const words = element("p", `The app asks for permissions that were not granted: ${missing.join(", ")}.${disabled}`);
    slot("permissions").replaceChildren(element("h2", "Some permissions are missing"), words, action);
  }

  // What this account may still call. The day's figures are unknown until the platform has answered a first call.
  function quota(now) {
    if (!now) return [];
    const burst = figure(`${now.free} of ${now.limit}`, `API calls free in these ${now.seconds} s`);
    if (now.day_left === null) return [burst];
    const day = figure(now.day_left.toLocaleString(), `API calls left today, of ${now.day_limit.toLocaleString()}`);
    return [burst, day];
  }

  function showCompany(state) {
    slot("message").append(" Open the app inside a sub-account to see that account's data.");
    slot("figures").replaceChildren(figure(state.locations.toLocaleString(), "sub-accounts connected"), ...quota(state.quota));
    slot("caption").textContent = "What is kept in sync of the agency itself";
    slot("rows").replaceChildren(...(state.resources || []).map(row));
  }

  function showLocation(state) {
    slot("figures").replaceChildren(
      figure(state.records.toLocaleString(), "records kept"),
      figure(String(state.resources.filter((one) => one.running).length), "arriving now"),
      figure(when(state.last_sync), "last complete sync"),
      ...quota(state.quota),
    );
    slot("rows").replaceChildren(...state.resources.map(row));
  }

  const passes = (error) => error.status === 503 || error.status === 429;

  function fail(error) {
    badge(passes(error) ? "One moment" : "Not available", "warn");
    slot("message").textContent = error.words
      ? `${error.words.message} ${error.words.what_to_do}`
      : "This page works inside your account only. Open the app from its menu there.";
    for (const name of ["figures", "table", "permissions", "problems", "accounts", "accounts-more", "ending"]) slot(name).hidden = true;
  }

  let timer = null;

  async function follow() {
    clearTimeout(timer);
    let wait = 30000;
    try {
      const state = show((await hlapp.json(root.dataset.session)).state);
      if (state.resources && state.resources.some((one) => one.running || !one.synced_at)) wait = 4000;
      if (state.progress && state.progress.under_way) wait = 8000;
    } catch (error) {
      fail(error);
      if (!passes(error)) return;
    }
    timer = setTimeout(follow, wait);
  }

  document.addEventListener("hlapp:tenant", follow);
  follow();
})();
