"use strict";
// What the page does. Text goes into the page as text, never as markup.

const ROW_HEIGHT = 22;
const REFRESH_MS = 1000;
const POLLS = new Set(["retrieve_future", "retrieve_futures", "session_heartbeat", "telemetry"]);
const $ = (id) => document.getElementById(id);

let entries = [];   // [number, operation, status, arrived, answered, faults, owner, seq_id], oldest first
let position = 0;   // of the journal: how many we have asked for
let judged = -1;     // the position that the verdict is of
let shown = [];     // those that the filters let through
let here = -1;      // place in `shown` of the entry under the cursor
let anchor = -1;    // where the selected range begins
let start = null;   // the clock when the first entry came

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  const type = answer.headers.get("content-type") || "";
  const body = type.includes("json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(body.detail || `${path}: ${answer.status}`);
  return body;
}

const send = (method, path, body) =>
  ask(path, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });

function say(text, lost = false) {
  $("status").textContent = text;
  $("status").classList.toggle("lost", lost);
}

// The state of the tenant

const clockText = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19);
const age = (now, then) => `${Math.max(0, now - then).toFixed(0)} s ago`;

function item(...parts) {
  return element("div", { class: "item" }, ...parts);
}

const short = (text) => text.replace(/([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f-]{22}/g, "$1…");

function id(text) {
  return element("span", { class: "id", title: text, textContent: short(text) });
}

function note(text, kind = "dim") {
  return element("span", { class: kind, textContent: text });
}

function curve(points) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 170 40");
  svg.setAttribute("role", "img");
  const values = points.map((point) => point[1]);
  const low = Math.min(...values), high = Math.max(...values);
  const place = (value, at) => {
    const x = points.length > 1 ? 3 + (164 * at) / (points.length - 1) : 85;
    const y = high > low ? 36 - (32 * (value - low)) / (high - low) : 20;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  const line = document.createElementNS(svg.namespaceURI, "polyline");
  line.setAttribute("points", values.map(place).join(" "));
  line.setAttribute("class", "curve");
  const title = document.createElementNS(svg.namespaceURI, "title");
  title.textContent = `loss of ${points.length} passes, from ${values[0]} to ${values.at(-1)}`;
  svg.append(title, line);
  return svg;
}

function modelItem(model) {
  const parts = [id(model.id), note(`rank ${model.rank}`)];
  if (model.loss.length) {
    parts.push(curve(model.loss), note(model.loss.at(-1)[1].toPrecision(4), ""));
  }
  if (!model.loaded) parts.push(note("unloaded", "warn"));
  return item(...parts);
}

function futureItem(future, now) {
  const number = future.seq_id === null ? "" : ` #${future.seq_id}`;
  const kind = { failed: "bad", waiting: "warn", held: "warn" }[future.state] || "good";
  const release = () => change("POST", "delivery/release", { request_ids: [future.id] });
  const buttons = future.state === "held" ? [element("button", { textContent: "release", onclick: release })] : [];
  return item(note(future.operation + number, ""), id(future.owner), note(future.state, kind), note(age(now, future.created_at)), ...buttons);
}

function fill(name, list, make, count) {
  $(`n-${name}`).textContent = count === undefined ? list.length : count;
  $(name).replaceChildren(...list.slice().reverse().map(make));
}

function showState(state) {
  const now = state.now;
  $("clock").textContent = clockText(now) + (state.virtual ? " (virtual)" : "");
  $("advance").hidden = !state.virtual;
  document.title = `tinkerproof · ${state.tenant}`;
  showTenants(state);
  fill("sessions", state.sessions, (s) => item(id(s.id), note(s.status, s.status === "active" ? "good" : "dim"), note(`SDK ${s.sdk_version}`), note(`seen ${age(now, s.seen_at)}`)), state.counts.sessions);
  fill("models", state.models, modelItem, state.counts.models);
  fill("checkpoints", state.checkpoints, (c) => item(id(c.id), note(c.type), note(c.expires_at === null ? "" : `until ${clockText(c.expires_at)}`)), state.counts.checkpoints);
  const counts = Object.entries(state.future_counts).map(([name, count]) => `${count} ${name}`).join(", ");
  fill("futures", state.futures, (f) => futureItem(f, now), counts || "none");
}

function showTenants(state) {
  const select = $("tenant");
  if (document.activeElement === select) return;
  select.replaceChildren(...state.tenants.map((tenant) => element("option", {
    value: tenant.name, selected: tenant.name === state.tenant, textContent: `${tenant.name} (${tenant.entries})`,
  })));
}

function faultText(fault) {
  const { kind, when = {}, ...rest } = fault;
  const { operation = "*", ...occasion } = when;
  const told = Object.entries({ ...rest, ...occasion }).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return [`${kind} on ${operation}`, ...told].join(", ");
}

function showFaults({ faults }) {
  const clear = element("button", { textContent: "clear", onclick: () => change("DELETE", "faults") });
  $("n-faults").textContent = faults.length || "none";
  $("faults").replaceChildren(
    ...faults.map((one) => item(id(faultText(one.fault)), note(`struck ${one.fired} of ${one.calls}`, one.fired ? "good" : "warn"))),
    ...(faults.length ? [clear] : []));
}

function showVerdict({ clean, findings }) {
  $("n-verdict").textContent = clean ? "clean" : `${findings.length} found`;
  $("verdict").replaceChildren(...findings.map((one) => {
    const kind = { error: "bad", warning: "warn" }[one.severity] || "dim";
    const made = item(note(one.rule, kind), id(`${one.title}: ${one.detail}`));
    made.title = `${one.why} ${one.fix}`;
    return made;
  }));
}

async function change(method, path, body) {
  try {
    await send(method, path, body);
    await refresh();
  } catch (error) {
    say(error.message, true);
  }
}

// The journal

function passes(entry) {
  const text = $("text").value.trim().toLowerCase();
  const [number, operation, status, , , faults, owner] = entry;
  if (!$("polls").checked && POLLS.has(operation) && !text) return false;
  const kind = $("kind").value;
  if (kind === "ok" && status !== 200) return false;
  if (kind === "bad" && status < 400) return false;
  if (kind === "faults" && !faults.length) return false;
  return !text || `${number} ${operation} ${status} ${owner} ${faults.join(" ")}`.toLowerCase().includes(text);
}

function filter() {
  const current = shown[here];
  shown = entries.filter(passes);
  here = current ? shown.indexOf(current) : -1;
  anchor = here;
  draw();
}

function draw() {
  const list = $("list");
  $("n-journal").textContent = shown.length === entries.length ? entries.length : `${shown.length} of ${entries.length}`;
  $("pad").style.height = `${shown.length * ROW_HEIGHT}px`;
  if ($("follow").checked && here === -1) list.scrollTop = list.scrollHeight;
  const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - 5);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW_HEIGHT) + 10);
  $("rows").style.top = `${first * ROW_HEIGHT}px`;
  $("rows").replaceChildren(...shown.slice(first, last).map((entry, at) => row(entry, first + at)));
}

function row(entry, at) {
  const [number, operation, status, arrived, answered, faults, owner, seq] = entry;
  const kind = status === 200 || status === 204 ? "good" : status === 408 ? "dim" : "bad";
  const [low, high] = [Math.min(here, anchor), Math.max(here, anchor)];
  const marks = (at === here ? " here" : "") + (low >= 0 && at >= low && at <= high ? " range" : "");
  const cell = (name, text) => element("span", { class: name, textContent: text });
  const took = answered === null ? "" : ` ${(answered - arrived).toFixed(3)}`;
  const made = element("div", { class: `row${marks}`, id: `row-${number}` },
    cell("n", number), cell("op", operation), cell(`st ${kind}`, status || "—"),
    cell("at", `+${(arrived - start).toFixed(2)}`), cell("at", took),
    cell("own", short(owner) + (seq === null ? "" : ` #${seq}`)), cell("ft", faults.join(", ")));
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", at === here);
  made.onclick = (event) => go(at, event.shiftKey);
  made.ondblclick = () => toggleDetail(true);
  return made;
}

function go(at, extend = false) {
  if (!shown.length) return;
  here = Math.max(0, Math.min(shown.length - 1, at));
  if (!extend || anchor < 0) anchor = here;
  const list = $("list");
  const top = here * ROW_HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + ROW_HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW_HEIGHT - list.clientHeight;
  draw();
  if (!$("detail").hidden) showDetail();
}

async function showDetail() {
  const entry = shown[here];
  if (!entry) return;
  try {
    const whole = await ask(`entry?number=${entry[0]}`);
    const faults = whole.faults.length ? `; faults: ${whole.faults.join(", ")}` : "";
    $("detail-head").textContent = `${whole.number} ${whole.operation} → ${whole.status || "no answer"}, SDK ${whole.sdk_version}, try ${whole.retry_count}${faults}`;
    $("request").textContent = JSON.stringify(whole.request, null, 2);
    $("answer").textContent = JSON.stringify(whole.answer, null, 2);
  } catch (error) {
    say(error.message, true);
  }
}

function toggleDetail(show = $("detail").hidden) {
  $("detail").hidden = !show;
  if (show) showDetail();
  draw();
}

async function copy() {
  const range = [shown[here], shown[anchor]].filter(Boolean).map((entry) => entry[0]);
  if (!range.length) return say("select entries first: click one, then Shift + click another", true);
  try {
    const text = await ask(`test?first=${Math.min(...range)}&last=${Math.max(...range)}`);
    $("test").textContent = text;
    const done = navigator.clipboard && (await navigator.clipboard.writeText(text).then(() => true, () => false));
    $("copied-note").textContent = done ? "Copied; it runs as it is, where tinkerproof is installed." : "Copy this; it runs as it is, where tinkerproof is installed.";
    $("copied").showModal();
  } catch (error) {
    say(error.message, true);
  }
}

// Keeping up

async function refresh() {
  try {
    const [state, news] = await Promise.all([ask("overview"), ask(`rows?position=${position}`)]);
    if (state.counts.entries < position) { forget(); return refresh(); }
    take(news);
    showState(state);
    ready();
    await judge();
    say("");
  } catch (error) {
    say(`the server does not answer: ${error.message}`, true);
  }
}

function forget() {
  entries = [];
  position = 0;
  judged = here = anchor = -1;
}

function take(news) {
  const changed = news.rows.length || position !== news.position || !entries.length;
  position = news.position;
  if (!changed) return;
  entries.push(...news.rows);
  entries.sort((one, other) => one[0] - other[0]);
  start = entries.length ? entries[0][3] : null;
  filter();
}

// What the journal says of the client takes the server a while: it is asked for only when there is news.
async function judge() {
  showFaults(await ask("faults"));
  if (judged === position) return;
  judged = position;
  showVerdict(await ask("verdict"));
}

const ready = () => { document.documentElement.dataset.ready = "yes"; };

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
}

function follow() {
  $("follow").checked = !$("follow").checked;
  here = anchor = -1;
  draw();
}

const KEYS = {
  j: () => go(here + 1), k: () => go(here - 1), g: () => go(0), G: () => go(shown.length - 1),
  Enter: () => toggleDetail(), c: copy, t: theme, f: follow, "?": () => $("keys").showModal(),
  "/": () => $("text").focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, select, button") && event.key !== "Escape") return;
  if (event.key === "ArrowDown") go(here + 1, event.shiftKey);
  else if (event.key === "ArrowUp") go(here - 1, event.shiftKey);
  else if (event.key === "Escape") { $("list").focus(); toggleDetail(false); }
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
$("list").addEventListener("scroll", draw);
addEventListener("resize", draw);
for (const name of ["text", "kind", "polls"]) $(name).addEventListener("input", filter);
$("follow").addEventListener("change", draw);
$("copy").addEventListener("click", copy);
$("theme").addEventListener("click", theme);
$("help").addEventListener("click", () => $("keys").showModal());
$("tenant").addEventListener("change", (event) => { location.href = `/t/${event.target.value}/-/`; });
for (const button of $("advance").children) {
  button.addEventListener("click", () => change("POST", "clock/advance", { seconds: Number(button.dataset.seconds) }));
}
const keepUp = () => refresh().then(() => setTimeout(keepUp, REFRESH_MS));
keepUp();
