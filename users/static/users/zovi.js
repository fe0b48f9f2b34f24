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

// While the server works: say so, and send once.
for (const form of all("form[data-busy]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    const button = form.querySelector("button[data-busy]");
    if (!button) return undefined;
    button.setAttribute("aria-busy", "true");
    button.textContent = button.dataset.busy;
    say(button, button.dataset.busy);
    return undefined;
  });
}
// Going back may bring a page as it was left; its seconds and its forms are of the past.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

const code = document.getElementById("id_code");
if (code && document.querySelector("[data-code] .act")) {
  const digits = Number(code.form.dataset.code);
  const waiting = new AbortController();
  const take = (text) => {
    code.value = text.replace(/\D/g, "").slice(0, 6);
    if (code.value.length === digits && !code.form.dataset.sent) code.form.requestSubmit();
  };
  code.addEventListener("input", () => take(code.value));
  code.addEventListener("paste", (event) => {
    event.preventDefault();
    take(event.clipboardData.getData("text"));
  });
  code.form.addEventListener("submit", () => waiting.abort());
  if ("OTPCredential" in window) {
    navigator.credentials.get({ otp: { transport: ["sms"] }, signal: waiting.signal })
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
