// The steps of the official Node SDK (@gohighlevel/api-client), which speaks API 2.0. Run by `fidelity.run`.
"use strict";
const http = require("node:http");
const path = require("node:path");

const { HighLevel } = require(path.join(process.argv[2], "node_modules/@gohighlevel/api-client"));

function ok(step, holds, seen) {
  const words = holds ? "" : `: ${String(JSON.stringify(seen)).slice(0, 200)}`;
  console.log(`${holds ? "ok" : "failed"} ${step}${words}`);
}

// The SDK's Express middleware behind a server of its own: it mints on INSTALL and forgets on UNINSTALL.
async function middleware(app, given, grant) {
  const sdk = new HighLevel({ ...app, webhookPublicKey: given.key });
  const storage = sdk.sessionStorage;
  await storage.setSession(grant.companyId, grant);
  const take = sdk.webhooks.subscribe();
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      request.rawBody = Buffer.concat(parts);
      request.body = JSON.parse(request.rawBody);
      take(request, response, (error) => response.end(JSON.stringify({
        valid: request.isSignatureValid, skipped: request.skippedSignatureVerification,
        failed: String((error || request.installTokenError || {}).message || ""),
      })));
    });
  });
  await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
  const send = async (body, signature) => {
    const headers = { "Content-Type": "application/json", ...(signature ? { "X-GHL-Signature": signature } : {}) };
    return (await fetch(`http://127.0.0.1:${server.address().port}/`, { method: "POST", body, headers })).json();
  };
  const held = () => storage.getAccessToken(given.location);
  const { body, signature } = given.install;
  const forged = await send(`${body} `, signature);
  ok("middleware, another body", forged.valid === false && !(await held()), forged);
  const bare = await send(body, "");
  ok("middleware, no signature", bare.valid === false && bare.skipped && !(await held()), bare);
  const came = await send(body, signature);
  ok("middleware, INSTALL", came.valid && !came.failed && Boolean(await held()), came);
  const left = await send(given.uninstall.body, given.uninstall.signature);
  ok("middleware, UNINSTALL", left.valid && !left.failed && !(await held()), left);
  server.close();
}

async function walk(given) {
  HighLevel.BASE_URL = given.url;
  const app = { clientId: given.client, clientSecret: given.secret };
  const sdk = new HighLevel(app);
  const asked = { client_id: given.client, client_secret: given.secret, grant_type: "authorization_code", code: given.code };
  const grant = await sdk.oauth.getAccessToken({ ...asked, redirect_uri: given.redirect, user_type: "Company" });
  ok("exchange", grant.userType === "Company" && grant.refresh_token, grant);
  const renewed = await sdk.oauth.refreshToken(grant.refresh_token, given.client, given.secret, "refresh_token", "Company");
  ok("rotation", renewed.refresh_token !== grant.refresh_token, Object.keys(renewed));
  const agency = new HighLevel({ ...app, agencyAccessToken: renewed.access_token });
  const listed = await agency.oauth.getInstalledLocation({ companyId: renewed.companyId, appId: given.client.split("-")[0] });
  ok("installed locations", listed.locations.length === 2, listed);
  const location = listed.locations[0]._id;
  const minted = await agency.oauth.getLocationAccessToken({ companyId: renewed.companyId, locationId: location });
  ok("mint", minted.locationId === location, Object.keys(minted));
  const own = new HighLevel({ ...app, locationAccessToken: minted.access_token });
  const body = { locationId: location, firstName: "Zoë", email: "zoe@example.com" };
  const { contact } = await own.contacts.createContact(body);
  ok("create", contact.firstName === "Zoë", contact);
  const changed = await own.contacts.updateContact({ contactId: contact.id }, { firstName: "Ann" });
  ok("update", changed.contact.firstName === "Ann", changed);
  const read = await own.contacts.getContact({ contactId: contact.id });
  ok("read", read.contact.email === "zoe@example.com", read);
  const found = await own.contacts.searchContactsAdvanced({ locationId: location, pageLimit: 20 });
  ok("search", found.contacts.length === 6, found);
  ok("delete", Boolean(await own.contacts.deleteContact({ contactId: contact.id })));
  const verify = (text) => own.webhooks.verifyEd25519Signature(text, given.signature, given.key);
  ok("webhook", verify(given.webhook) && !verify(`${given.webhook} `));
  await middleware(app, given, renewed);
}

let text = "";
process.stdin.on("data", (part) => { text += part; });
process.stdin.on("end", () => walk(JSON.parse(text)).then(() => process.exit(0), (error) => {
  console.error(error && error.message, JSON.stringify(error && (error.response || error.data) || {}).slice(0, 400));
  process.exit(1);
}));
