"use strict";

// --- The client ------------------------------------------------------------------------------------------------------

const zovi = "http://127.0.0.1:8000";
let session = null; // { token, refresh_token, … }: in memory alone, where no other script finds it

async function call(path, body, token) {
  const response = await fetch(zovi + path, {
    method: body ? "POST" : "GET",
    headers: {
      ...(body && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await response.json();
  const error = answer?.errors?.[0].extensions ?? (response.ok ? null : answer); // GraphQL's, or REST's
  if (error) throw Object.assign(new Error(error.code), error, { wait: response.headers.get("Retry-After") });
  return answer;
}

// Sign in: ask for a code, then name it. Asking again presents the challenge before, and so ends it.
const requestCode = (phone, challenge) => call("/api/users/send_otp/", { phone_number: phone, challenge });
async function verifyCode(otp, challenge) {
  session = await call("/api/users/auth/", { otp, challenge });
}

// The refresh token changes with every use, so of all calls that find their token too old, one refreshes. Whoever has
// signed in meanwhile stays who they are, and the calls of whoever was there before stay theirs.
function refresh(old = session) {
  old.next ??= call("/api/users/token/refresh/", { refresh_token: old.refresh_token })
    .then((next) => (session === old ? (session = next) : next))
    .catch((error) => { old.next = null; throw error; });
  return old.next;
}
async function callAsUser(path, body) {
  const mine = session;
  try {
    return await call(path, body, mine.token);
  } catch (error) {
    if (error.code !== "invalid_token") throw error;
    return call(path, body, (await refresh(mine)).token);
  }
}
async function signOut() {
  try {
    await callAsUser("/api/users/logout/", {});
  } finally {
    session = null;
  }
}

const me = () => callAsUser("/api/users/me/"); // REST
const enterInvite = (code) => callAsUser("/api/users/referal/", { activated_invite_code: code });
const graphql = (query, variables) => callAsUser("/graphql/", { query, variables });
const people = (after) => graphql(`query People($after: String) {
  me { referralConnection(first: 20, after: $after) {
    edges { node { phoneNumber activatedAt } }
    pageInfo { hasNextPage endCursor }
  } }
}`, { after }); // who entered the code, newest first

// --- The page --------------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);
const write = (id, text) => { $(id).textContent = text; };

// What the app says to a refusal, by its code. For every other one Zovi has words, in the browser's language.
const tries = (count) => (count === 1 ? "One try is left." : `${count} tries are left.`);
const WORDS = {
  invalid_code: ({ attempts_left: left }) =>
    left ? `That is not the code. ${tries(left)}` : "This code is of no more use. Ask for another one.",
  invalid_phone: () => "That is not a phone number.",
  phone_not_mobile: () => "That number gets no messages. Try a mobile one.",
  code_requested_too_soon: ({ wait }) => `A code is on its way. Another one can be sent in ${wait} s.`,
  too_many_requests: ({ wait }) => `Too many codes were asked for. Try again ${later(wait)}.`,
  too_many_attempts: ({ wait }) => `Too many tries. Try again ${later(wait)}.`,
  invite_not_found: () => "Nobody has this code. Look at it once more.",
  own_invite: () => "This is your own code. Ask a friend for theirs.",
  invite_already_activated: () => "You have entered another code already. That is done once.",
  sms_not_sent: () => "The message could not be sent. Try again in a moment.",
};
const later = (seconds) => (seconds > 90 ? `in ${Math.ceil(seconds / 60)} minutes` : `in ${seconds} seconds`);
const NOT_SIGNED_IN = ["invalid_token", "not_authenticated", "account_disabled"];

function inWords(error) {
  if (!error.code) return "Zovi does not answer, or does not let this page in: see CORS_ALLOWED_ORIGINS.";
  if (error.fields) return Object.values(error.fields).flat().join(" ");
  return WORDS[error.code]?.(error) ?? error.detail ?? error.message;
}

// One of the three views, with the field to type into.
function show(view) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== view;
  document.querySelector(`#${view} [data-first]`).focus();
}
function hush() {
  for (const alert of document.querySelectorAll("[role=alert]")) alert.textContent = "";
}

// Every button is that of a form. What goes wrong is said in the form, and until it is done it is not done again.
function on(id, work) {
  const form = $(id);
  const alert = form.querySelector("[role=alert]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    hush();
    try {
      await work(form.elements);
    } catch (error) {
      if (NOT_SIGNED_IN.includes(error.code) && !$("home").hidden) leave("You are signed out. Sign in again.");
      else alert.textContent = inWords(error);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}

let asked = null; // { phone_number, challenge, … } of the last code
let mayResendAt = 0;

async function ask(phone, challenge) {
  asked = await requestCode(phone, challenge);
  mayResendAt = performance.now() + asked.resend_in * 1000;
  countDown();
  write("sent-to", asked.phone_number);
  write("good-for", `It is good for ${Math.round(asked.expires_in / 60)} minutes.`);
  $("demo").hidden = !asked.otp;
  write("otp", asked.otp ?? "");
  $("verify").reset();
  show("code");
}
function countDown() {
  const left = Math.ceil((mayResendAt - performance.now()) / 1000);
  const button = $("resend").querySelector("button");
  button.disabled = left > 0;
  button.textContent = left > 0 ? `Send another code in ${left} s` : "Send another code";
}
setInterval(countDown, 250);

async function enter() {
  const [profile, came] = await Promise.all([me(), people()]);
  write("phone", profile.phone_number);
  write("invite-code", profile.invite_code);
  write("count", profile.refs_count.toLocaleString());
  if (profile.activated_invite_code !== $("inviter-code").textContent) showInviter(profile.activated_invite_code);
  $("people").replaceChildren();
  showPeople(came);
  showSession();
  show("home");
}
function showInviter(code, number) {
  $("invite").hidden = Boolean(code);
  $("inviter").hidden = !code;
  write("inviter-code", code ?? "");
  write("inviter-number", number ?? "");
}
function showPeople({ data: { me: { referralConnection: { edges, pageInfo } } } }) {
  for (const { node } of edges) {
    const item = document.createElement("li");
    const when = new Date(node.activatedAt).toLocaleDateString([], { dateStyle: "medium" });
    item.append(node.phoneNumber, Object.assign(document.createElement("time"), { textContent: when }));
    $("people").append(item);
  }
  $("nobody").hidden = $("people").childElementCount > 0;
  $("more").hidden = !pageInfo.hasNextPage;
  $("more").elements.after.value = pageInfo.endCursor;
}
function showSession() {
  const until = new Date(Date.now() + session.expires_in * 1000);
  write("until", until.toLocaleTimeString([], { timeStyle: "medium" }));
}
function leave(words) {
  session = null;
  show("start");
  $("request").querySelector("[role=alert]").textContent = words;
}

on("request", ({ phone }) => ask(phone.value));
on("resend", () => ask(asked.phone_number, asked.challenge));
on("verify", async ({ otp }) => {
  await verifyCode(otp.value, asked.challenge);
  await enter();
});
on("back", () => show("start"));
on("copy", async () => {
  await navigator.clipboard.writeText($("invite-code").textContent);
  $("copy").querySelector("button").textContent = "Copied";
});
on("invite", async ({ code }) => {
  const entered = await enterInvite(code.value);
  showInviter(entered.activated_invite_code, entered.you_invited_by);
});
on("look", enter);
on("more", async ({ after }) => showPeople(await people(after.value)));
on("renew", async () => {
  await refresh();
  showSession();
});
on("leave", async () => {
  await signOut();
  leave("");
});
show("start");
