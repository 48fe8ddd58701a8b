// Forms with a passkey: asks the browser for it and puts the answer into the form. Without WebAuthn the form says so.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: known(options.excludeCredentials),
    },
  });
  const response = made.response;
  return answer(made, { attestationObject: text(response.attestationObject), clientDataJSON: text(response.clientDataJSON) });
}

async function get(options) {
  const used = await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials) },
  });
  const response = used.response;
  return answer(used, {
    authenticatorData: text(response.authenticatorData),
    clientDataJSON: text(response.clientDataJSON),
    signature: text(response.signature),
  });
}

function answer(credential, response) {
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const error = form.querySelector("[data-error]");
    error.hidden = true;
    try {
      const options = JSON.parse(form.dataset.options).publicKey;
      const ask = form.dataset.passkey === "create" ? create : get;
      form.querySelector("input[name=passkey]").value = await ask(options);
      form.submit();
    } catch (reason) {
      error.textContent =
        reason.name === "InvalidStateError"
          ? "This device has a passkey of yours already."
          : "The browser gave no passkey. Try again, or use another way.";
      error.hidden = false;
    }
  });
}
