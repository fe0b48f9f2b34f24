// What the pages do beyond HTML. Each works without it; every text comes from the page, in its language.
"use strict";

const all = (selector) => document.querySelectorAll(selector);
const say = (near, text) => {
  const status = near.closest("form, section")?.querySelector("[role=status]");
  if (status) status.textContent = text;
};

// The server says how many seconds are left at the moment it answers; that moment is when its answer arrived.
const answered = performance.getEntriesByType("navigation")[0]?.responseStart ?? 0;
const left = (seconds) => Math.ceil(seconds - (performance.now() - answered) / 1000);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

function countDown(seconds, tick, over) {
  const step = () => {
    const now = left(seconds);
    if (now > 0) return tick(clock(now));
    clearInterval(timer);
    over();
  };
  const timer = setInterval(step, 250);
  step();
}

for (const button of all("button[data-wait]")) {
  const text = button.textContent;
  button.disabled = true;
  countDown(
    Number(button.dataset.wait),
    (time) => { button.textContent = `${button.dataset.waiting} ${time}`; },
    () => { button.disabled = false; button.textContent = text; },
  );
}
for (const wait of all("[data-left]")) {
  countDown(Number(wait.dataset.left), (time) => { wait.textContent = time; }, () => { wait.parentElement.hidden = true; });
}

// While the server works: say so, and send once, unless the visitor stops it.
const MOST = 10_000; // ms; the server takes eight seconds at most
let waiting = () => {}; // ends the wait for an answer
for (const form of all("form[data-busy]")) {
  const button = form.querySelector("button[data-busy]");
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    const text = button?.textContent;
    const timer = setTimeout(() => waiting(), MOST);
    waiting = () => {
      clearTimeout(timer);
      delete form.dataset.sent;
      waiting = () => {};
      if (!button) return;
      button.removeAttribute("aria-busy");
      button.textContent = text;
      say(button, "");
    };
    if (!button) return undefined;
    button.setAttribute("aria-busy", "true");
    button.textContent = button.dataset.busy;
    say(button, button.dataset.busy);
    return undefined;
  });
}
// Stopped by Escape, by the button beside the address where the browser tells, or else by going on in the form.
addEventListener("keydown", (event) => { if (event.key === "Escape") waiting(); });
addEventListener("input", () => waiting(), true); // before a whole code sends its form
globalThis.navigation?.addEventListener("navigate", (event) => {
  if (!event.hashChange) event.signal.addEventListener("abort", () => waiting());
});
// Going back may bring a page as it was left; its seconds and its forms are of the past.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// Which of a text's numbers is the code of so many digits; 0: of a number that nobody tells.
// Arabic, Persian and full-width digits end in their value.
function codeIn(text, digits) {
  const plain = text.replace(/[٠-٩۰-۹０-９]/g, (digit) => digit.charCodeAt(0) & 15);
  const named = plain.match(/@\S+ #(\d+)\s*$/); // by a message's last line, which is for browsers
  if (named) return named[1];
  const fits = ({ length }) => (digits ? length === digits : length >= 4 && length <= 8);
  const fitting = new Set(plain.match(/\d+/g)?.filter(fits));
  if (fitting.size > 1) return ""; // only the reader can know
  return [...fitting][0] ?? plain.replace(/\D/g, "").slice(0, 8);
}

const code = document.getElementById("id_code");
if (code?.form.dataset.code && code.form.querySelector(".act")) {
  const { form } = code;
  const digits = Number(form.dataset.code);
  const listening = new AbortController();
  const take = (text) => {
    code.value = codeIn(text, digits);
    if (digits && code.value.length === digits && "atOnce" in form.dataset && !form.dataset.sent) form.requestSubmit();
  };
  code.addEventListener("input", () => take(code.value));
  code.addEventListener("paste", (event) => {
    event.preventDefault();
    take(event.clipboardData.getData("text"));
  });
  form.addEventListener("submit", () => listening.abort());
  if ("OTPCredential" in window) {
    navigator.credentials.get({ otp: { transport: ["sms"] }, signal: listening.signal })
      .then((message) => take(message.code), () => {});
  }
  code.select();
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    getSelection().selectAllChildren(element);
    document.execCommand("copy");
  }
}
for (const button of all("[data-copy]")) {
  const text = button.textContent;
  button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copy));
    button.textContent = button.dataset.done;
    say(button, button.dataset.done);
    setTimeout(() => { button.textContent = text; }, 2000);
  });
}
for (const button of all("[data-share]")) {
  if (!navigator.share) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.share({ text: button.dataset.text, url: button.dataset.share }).catch(() => {});
  });
}

const language = document.documentElement.lang;
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const when = new Date(time.dateTime);
    const long = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
    time.textContent = time.closest(".sms") ? when.toLocaleTimeString(language) : when.toLocaleString(language, long);
  }
}
localTimes(document);

const messages = document.querySelector("[data-refresh]");
async function refresh() {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("messages");
  for (const message of fresh.querySelectorAll(".sms")) {
    if (!document.getElementById(message.id)) message.classList.add("new");
  }
  if (!fresh.querySelector(".new")) return;
  localTimes(fresh);
  messages.replaceChildren(...fresh.childNodes);
}
if (messages) setInterval(refresh, 2000);
