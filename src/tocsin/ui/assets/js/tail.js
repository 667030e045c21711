// The live tail: rows as they come, newest first. Everything that comes is text, never markup.
import { listen } from "./live.js";

const MOST = 500;
const LOOKS = {
  delivered: ["good", "●"], retry: ["warn", "◐"], pending: ["warn", "◐"], dead: ["bad", "✕"], cancelled: ["held", "■"],
};

const place = document.querySelector("[data-tail]");
const body = place.querySelector("tbody");
const pattern = place.querySelector("template").content.firstElementChild;
const find = (name) => document.querySelector(`[data-tail-${name}]`);
const pause = find("pause");
const endpoints = new Map([...find("endpoints").options].map((option) => [option.value, option.text]));

const waiting = []; // what came since the page was last painted, or while it is paused, oldest first
let isDue = false;
let lost = 0;
let shown = 0;
let ending = "";

const short = (id) => (id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);
const isPaused = () => pause.getAttribute("aria-pressed") === "true";

function tell(kind, shape, text) {
  const state = find("state");
  state.className = `state ${kind}`;
  state.firstElementChild.textContent = shape;
  state.lastElementChild.textContent = text;
}

function count() {
  find("shown").textContent = shown;
  find("lost").textContent = lost;
  pause.textContent = isPaused() ? `Resume (${waiting.length} new)` : "Pause";
  find("empty").hidden = body.childElementCount > 0;
}

function state(cell, word, note) {
  const [kind, shape] = LOOKS[word] ?? ["idle", "○"];
  const mark = document.createElement("span");
  mark.ariaHidden = "true";
  mark.textContent = shape;
  const whole = document.createElement("span");
  whole.className = `state ${kind}`;
  whole.append(mark, ` ${word}${note}`);
  cell.append(whole);
}

function row(what, time, address, about) {
  const made = pattern.cloneNode(true);
  const [when, link, type, subject] = made.cells;
  when.append(Object.assign(document.createElement("time"), { dateTime: time, title: time, textContent: time.slice(11, 23) }));
  Object.assign(link.firstElementChild, { href: address, textContent: what });
  type.textContent = type.title = about.type;
  subject.textContent = subject.title = about.subject;
  return made;
}

function eventRow(event) {
  const address = place.dataset.events.replace(/(?=\?|$)/, encodeURIComponent(event.id));
  const made = row("event", event.accepted_at, address, { type: event.type, subject: event.subject_id });
  if (event.erased) state(made.cells[5], "erased", "");
  return made;
}

function attemptRow({ attempt, deliveries, endpoint_id: endpoint, batch_id: batch }) {
  const [first] = deliveries;
  const address = place.dataset.deliveries.replace(/(?=\?|$)/, encodeURIComponent(first.id));
  const more = batch ? ` and ${deliveries.length - 1} more` : "";
  const made = row("attempt", attempt.started_at, address, { type: first.event_type + more, subject: first.subject_id });
  const cells = made.cells;
  cells[4].textContent = cells[4].title = endpoints.get(endpoint) ?? short(endpoint ?? "deleted");
  const isRetry = attempt.outcome === "retry" && first.state === "pending";
  state(cells[5], isRetry ? "retry" : first.state, attempt.number > 1 ? ` (attempt ${attempt.number})` : "");
  cells[6].textContent = attempt.response?.status ?? attempt.error?.kind ?? "";
  cells[7].textContent = `${Math.round(attempt.timings_ms.total)} ms`;
  return made;
}

// Rows are made once for each picture: a tab that nobody sees makes none.
function add(make) {
  waiting.push(make);
  if (waiting.length > MOST) {
    waiting.shift();
    if (isPaused()) lost += 1;
    else shown += 1;
  }
  if (isPaused()) count();
  else if (!isDue) isDue = requestAnimationFrame(paint);
}

function paint() {
  isDue = false;
  if (!isPaused()) {
    for (const make of waiting.splice(0)) body.prepend(make()), (shown += 1);
    while (body.childElementCount > MOST) body.lastElementChild.remove();
  }
  count();
}

function problem(text) {
  const line = find("problem");
  line.hidden = !text;
  line.textContent = text;
}

function over(text) {
  tell("idle", "○", "not connected");
  problem(`${text} `);
  const again = Object.assign(document.createElement("a"), { href: place.dataset.again, textContent: "Load the page again" });
  find("problem").append(again);
}

const end = listen(
  place.dataset.tail,
  {
    watching: () => {
      ending = "";
      problem("");
    },
    event: (event) => add(() => eventRow(event)),
    attempt: (made) => add(() => attemptRow(made)),
    dropped: ({ count: missed }) => {
      lost += missed ?? 0;
      if (missed === null) problem("More was missed than is shown here.");
      count();
    },
    end: ({ reason }) => {
      ending = reason === "stopping" ? "ended: the server is stopping" : "ended: the key lets nobody in any more";
      tell("held", "■", ending);
    },
    refused: (refusal) => {
      end();
      over(`${refusal.title} ${refusal.detail ?? ""}`);
    },
  },
  (how) => {
    if (how === "live") tell("good", "●", "live");
    else if (how === "waiting") tell("held", "‖", ending || "waiting for the server");
    else over("The connection has ended.");
  },
);

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!isPaused()));
  paint();
});
find("clear").addEventListener("click", () => {
  body.replaceChildren();
  count();
});
pause.hidden = find("clear").hidden = false;
count();
