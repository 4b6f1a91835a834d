// Keeps a page up to date: what is appended to the log comes as server-sent events, and the page's content is loaded again.
// The page is whole without this.

const body = document.body;
const status = document.getElementById("live");
/** How long until a server that refuses is asked again, in milliseconds. */
const PAUSE = 3000;
let seen = Number(body.dataset.head);
let waiting = false;
let again = false;
let missed = false;
/** The state of the newest verification that the page was loaded for. */
let told;
/** How much had been computed when the page was loaded last because it waits. */
let computed;

// Nobody's typing or choosing is thrown away.
const isBusy = () => !!document.activeElement?.closest("#content form");

const say = (text) => {
  if (status.textContent !== text) status.textContent = text;
};

const sayOver = () => {
  const link = document.createElement("a");
  link.href = "/sign-in";
  link.textContent = "Sign in again";
  status.replaceChildren("Your visit ended. ", link, "; this page then goes on.");
};

// Makes the old content like the new one and leaves in place what is the same, so that focus, selection and scrolling stay.
const settle = (old, next) => {
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  let at = old.firstChild;
  for (const wanted of [...next.childNodes]) {
    let same = at;
    while (same && !same.isEqualNode(wanted)) same = same.nextSibling;
    if (same) {
      while (at !== same) {
        const gone = at;
        at = at.nextSibling;
        gone.remove();
      }
      at = at.nextSibling;
    } else if (at?.nodeType === Node.ELEMENT_NODE && at.nodeName === wanted.nodeName && at.nodeName !== "TR") {
      const changed = at;
      at = at.nextSibling;
      settle(changed, wanted);
    } else {
      old.insertBefore(wanted, at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
};

const part = (selector, page) => {
  const [old, next] = [document.querySelector(selector), page.querySelector(selector)];
  if (old && next) settle(old, next);
};

/** Loads the page's content; whether the visit still lasts. */
const load = async () => {
  if (waiting) {
    again = true;
    return true;
  }
  waiting = true;
  try {
    // The header says that nobody asked for this: a page that is open keeps no visit alive.
    const headers = { accept: "text/html", "x-countersign-live": "1" };
    const answer = await fetch(location.href, { headers, redirect: "manual" });
    if (answer.type === "opaqueredirect") return false;
    if (!answer.ok) {
      location.reload();
      return true;
    }
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    missed = isBusy();
    if (!missed) {
      part("#content", next);
      part(".title .aside", next);
      part("#head", next);
      body.dataset.head = next.body.dataset.head;
    }
  } catch {
    // The server is away; the stream says so, and begins again when it is back.
  } finally {
    waiting = false;
  }
  if (again) {
    again = false;
    setTimeout(load, 250);
  }
  return true;
};

const connect = () => {
  const events = new EventSource(`/live?from=${seen}`);
  events.addEventListener("open", () => {
    told = undefined;
    say("Live.");
  });
  events.addEventListener("error", async () => {
    // A server that is away is asked again by the browser; one that refuses is not.
    if (events.readyState !== EventSource.CLOSED) {
      say("Not connected; trying again.");
      return;
    }
    if (!await load()) sayOver();
    setTimeout(connect, PAUSE);
  });
  events.addEventListener("entry", (event) => {
    const entry = JSON.parse(event.data);
    if (entry.index < seen) return;
    seen = entry.index + 1;
    // An auditor's own looks are entries too; a page that is loaded for them would never rest.
    if (entry.kind === "EvidenceViewed") return;
    if (body.hasAttribute("data-live")) load();
  });
  // What a page waits for is computed beside the requests. It is loaded for each once: an auditor's load is an entry.
  events.addEventListener("computed", (event) => {
    const waits = document.querySelector("[data-waits]");
    if (waits && waits.dataset.waits !== event.data && computed !== event.data) {
      computed = event.data;
      load();
    }
  });
  // A verification of the ledger, on the page that shows it. Its progress is written here; only its beginning and its end are loaded, each
  // once, for what an auditor loads is an entry.
  events.addEventListener("verification", (event) => {
    const shown = document.querySelector("[data-verification]");
    if (!shown) return;
    const { id, state, judged } = JSON.parse(event.data);
    const now = `${id} ${state}`;
    if (shown.dataset.verification !== now) {
      if (told !== now) load();
      told = now;
      return;
    }
    const bar = shown.querySelector("progress");
    if (!bar) return;
    bar.value = Math.min(judged, bar.max);
    shown.querySelector("[data-judged]").textContent = String(bar.value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  });
  events.addEventListener("over", () => {
    events.close();
    location.reload();
  });
};
document.addEventListener("focusout", () => setTimeout(() => {
  if (missed && !isBusy()) load();
}));
connect();
