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

// Sign in: ask for a code, then name it. Asking again presents the challenge before, and so ends it. `account_idle` asks
// whether an account that nobody has used for long is theirs: then the code is named again, with the answer.
const requestCode = (phone, challenge) => call("/api/users/send_otp/", { phone_number: phone, challenge });
async function verifyCode(otp, challenge, startAfresh) {
  session = await call("/api/users/auth/", { otp, challenge, start_afresh: startAfresh });
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
const REFUSALS = {
  invalid_code: "That is not the code. Tries left: {tries}.",
  invalid_phone: "That is not a phone number.",
  phone_not_mobile: "That number gets no messages. Try a mobile one.",
  code_requested_too_soon: "A code is on its way. Another one can be sent {when}.",
  too_many_requests: "Too many codes were asked for. Try again {when}.",
  too_many_attempts: "Too many tries. Try again {when}.",
  invite_not_found: "Nobody has this code. Look at it once more.",
  own_invite: "This is your own code. Ask a friend for theirs.",
  invite_already_activated: "You have entered another code already. That is done once.",
  sms_not_sent: "The message could not be sent. Try again in a moment.",
};
const NOT_SIGNED_IN = ["invalid_token", "not_authenticated", "account_disabled"];

// Every word the app says. What is missing here, is said in English.
const IN_RUSSIAN = {
  "Your app": "Ваше приложение",
  "signs people in with Zovi": "— вход через Zovi",
  "Sign in": "Войти",
  "Phone number": "Номер телефона",
  "Send me a code": "Получить код",
  "Your code": "Введите код",
  "We sent it to": "Код отправлен на",
  "It is good for {time}.": "Он действует {time}.",
  "A demo sends nothing, it shows the code:": "Демо ничего не отправляет, вот код:",
  "Code from the message": "Код из сообщения",
  "Send another code": "Отправить ещё один код",
  "Send another code {when}": "Ещё один код — {when}",
  "Another number": "Другой номер",
  "Is this account yours?": "Это ваш аккаунт?",
  "Nobody has used the account of": "Аккаунтом с номером",
  "for a long time. Perhaps somebody else had the number before you.":
    "давно никто не пользовался. Возможно, раньше номер принадлежал другому человеку.",
  "Yes, it is mine": "Да, мой",
  "Your code and those you invited are there.": "Ваш код и приглашённые вами люди на месте.",
  "No, start afresh": "Нет, начать заново",
  "You get an account of your own, with a new code. The old one loses this number.":
    "У вас будет свой аккаунт с новым кодом. Старый аккаунт лишится этого номера.",
  "Your invite code": "Ваш код приглашения",
  "Copy": "Скопировать",
  "Copied": "Скопировано",
  "Who invited you": "Кто вас пригласил",
  "Did a friend invite you? Enter their code": "Вас пригласил друг? Введите его код",
  "Enter": "Отправить",
  "They will see your number.": "Друг увидит ваш номер.",
  "Who came by your code": "Кто пришёл по вашему коду",
  "Nobody yet. Give your code to a friend.": "Пока никого. Поделитесь кодом с другом.",
  "Show more": "Показать ещё",
  "Look again": "Обновить",
  "Your session": "Ваш сеанс",
  "The access token is good until": "Токен доступа действует до",
  "; then the app gets a new one by itself. The tokens live in this page alone: loaded again, it asks to sign in again.":
    ", потом приложение само получит новый. Токены есть только у этой страницы: после перезагрузки нужно войти снова.",
  "Get a new one now": "Получить новый сейчас",
  "Sign out": "Выйти",
  "You are signed out. Sign in again.": "Сеанс завершён. Войдите снова.",
  "That is not the code. Tries left: {tries}.": "Неверный код. Осталось попыток: {tries}.",
  "This code is of no more use. Ask for another one.": "Этот код больше не действует. Запросите новый.",
  "That is not a phone number.": "Это не номер телефона.",
  "That number gets no messages. Try a mobile one.": "На этот номер сообщения не приходят. Укажите мобильный.",
  "A code is on its way. Another one can be sent {when}.": "Код уже отправлен. Следующий можно получить {when}.",
  "Too many codes were asked for. Try again {when}.": "Слишком много запросов кода. Попробуйте ещё раз {when}.",
  "Too many tries. Try again {when}.": "Слишком много попыток. Попробуйте ещё раз {when}.",
  "Nobody has this code. Look at it once more.": "Такого кода ни у кого нет. Проверьте его.",
  "This is your own code. Ask a friend for theirs.": "Это ваш собственный код. Спросите код у друга.",
  "You have entered another code already. That is done once.": "Вы уже ввели другой код. Это можно сделать один раз.",
  "The message could not be sent. Try again in a moment.": "Не удалось отправить сообщение. Попробуйте чуть позже.",
  "Zovi does not answer, or does not let this page in: see CORS_ALLOWED_ORIGINS.":
    "Zovi не отвечает или не пускает эту страницу: см. CORS_ALLOWED_ORIGINS.",
};
const language = navigator.languages.find((name) => /^(ru|en)\b/.test(name))?.slice(0, 2) ?? "en";
const say = (text, values = {}) =>
  ((language === "ru" && IN_RUSSIAN[text]) || text).replace(/\{(\w+)\}/g, (_, name) => values[name]);

// 45 seconds, 3 minutes; and in how long.
const unitOf = (seconds) => (seconds > 90 ? [Math.ceil(seconds / 60), "minute"] : [seconds, "second"]);
function time(seconds) {
  const [count, unit] = unitOf(seconds);
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
}
const later = (seconds) => new Intl.RelativeTimeFormat(language).format(...unitOf(seconds));

function inWords(error) {
  if (!error.code) return say("Zovi does not answer, or does not let this page in: see CORS_ALLOWED_ORIGINS.");
  if (error.fields) return Object.values(error.fields).flat().join(" ");
  if (error.attempts_left === 0) return say("This code is of no more use. Ask for another one.");
  const words = REFUSALS[error.code];
  return words ? say(words, { tries: error.attempts_left, when: later(error.wait) }) : error.detail ?? error.message;
}

// The page is written in English.
function translate() {
  document.documentElement.lang = language;
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim();
    if (text) texts.currentNode.data = texts.currentNode.data.replace(text, say(text));
  }
}

// One of the four views, with the field to type into.
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
      if (NOT_SIGNED_IN.includes(error.code) && !$("home").hidden) leave(say("You are signed out. Sign in again."));
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
  write("good-for", say("It is good for {time}.", { time: time(asked.expires_in) }));
  $("demo").hidden = !asked.otp;
  write("otp", asked.otp ?? "");
  $("verify").reset();
  show("code");
}
function countDown() {
  const left = Math.ceil((mayResendAt - performance.now()) / 1000);
  const button = $("resend").querySelector("button");
  button.disabled = left > 0;
  button.textContent = left > 0 ? say("Send another code {when}", { when: later(left) }) : say("Send another code");
}
setInterval(countDown, 250);

// `startAfresh`: what the person answers when they are asked whose account it is.
async function signIn(startAfresh) {
  try {
    await verifyCode($("verify").elements.otp.value, asked.challenge, startAfresh);
  } catch (error) {
    if (error.code !== "account_idle") throw error;
    write("whose", asked.phone_number);
    return show("idle");
  }
  await enter();
}

async function enter() {
  const [profile, came] = await Promise.all([me(), people()]);
  write("phone", profile.phone_number);
  write("invite-code", profile.invite_code);
  write("count", profile.refs_count.toLocaleString(language));
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
    const when = new Date(node.activatedAt).toLocaleDateString(language, { dateStyle: "medium" });
    item.append(node.phoneNumber, Object.assign(document.createElement("time"), { textContent: when }));
    $("people").append(item);
  }
  $("nobody").hidden = $("people").childElementCount > 0;
  $("more").hidden = !pageInfo.hasNextPage;
  $("more").elements.after.value = pageInfo.endCursor;
}
function showSession() {
  const until = new Date(Date.now() + session.expires_in * 1000);
  write("until", until.toLocaleTimeString(language, { timeStyle: "medium" }));
}
function leave(words) {
  session = null;
  show("start");
  $("request").querySelector("[role=alert]").textContent = words;
}

on("request", ({ phone }) => ask(phone.value));
on("resend", () => ask(asked.phone_number, asked.challenge));
on("verify", () => signIn());
on("mine", () => signIn(false));
on("afresh", () => signIn(true));
for (const id of ["back", "elsewhere"]) on(id, () => show("start"));
on("copy", async () => {
  await navigator.clipboard.writeText($("invite-code").textContent);
  $("copy").querySelector("button").textContent = say("Copied");
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
translate();
show("start");
