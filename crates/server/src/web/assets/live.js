// Keeps a page up to date: what is appended to the log comes as server-sent events, and the page's content is loaded again.
// The page is whole without this.

const body = document.body;
const status = document.getElementById("live");
let seen = Number(body.dataset.head);
let waiting = false;
let again = false;

// Nobody's typing or choosing is thrown away.
const isBusy = () => {
  const at = document.activeElement;
  return at && at.closest("form") && at.closest("#content");
};

const load = async () => {
  if (waiting) {
    again = true;
    return;
  }
  waiting = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) {
      location.reload();
      return;
    }
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    const content = next.getElementById("content");
    if (content && !isBusy()) {
      const focused = document.activeElement && document.activeElement.id;
      document.getElementById("content").replaceWith(content);
      if (focused) document.getElementById(focused)?.focus();
      const aside = next.querySelector(".title .aside");
      if (aside) document.querySelector(".title .aside")?.replaceWith(aside);
      body.dataset.head = next.body.dataset.head;
    }
  } finally {
    waiting = false;
  }
  if (again) {
    again = false;
    setTimeout(load, 250);
  }
};

const events = new EventSource("/live");
events.addEventListener("open", () => {
  status.textContent = "Live.";
});
events.addEventListener("error", () => {
  status.textContent = "Not connected; trying again.";
});
events.addEventListener("entry", (event) => {
  const entry = JSON.parse(event.data);
  if (entry.index < seen) return;
  seen = entry.index + 1;
  // An auditor's own looks are entries too; a page that is loaded for them would never rest.
  if (entry.kind === "EvidenceViewed") return;
  if (body.hasAttribute("data-live")) load();
});
events.addEventListener("over", () => {
  events.close();
  location.reload();
});
