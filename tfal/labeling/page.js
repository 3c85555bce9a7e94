"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const items = data.items, NONE = data.none, UNSURE = data.unsure;
const at = (id) => document.getElementById(id);
const KEYS = [..."1234567890", ..."abcdefghijklmopqrstvwxyz"];  // n and u are none and unsure
const free = KEYS.filter((key) => !data.classes.some((name) => name.toLowerCase() === key));
const answers = [  // a class that is called like a key has that one
  ...data.classes.map((name) => ({ label: name, text: name,
    key: KEYS.includes(name.toLowerCase()) ? name.toLowerCase() : free.shift() ?? "" })),
  { label: NONE, text: "none of these", key: "n" },
  { label: UNSURE, text: "cannot say", key: "u" },
];
const text = new Map(answers.map((answer) => [answer.label, answer.text]));
// labels: of each picture, "" where there is none. undo: [place, [[picture, its label before], ...]], the newest last.
// saved: the labels in the last csv. time: when it was kept.
let state = { labels: items.map(() => ""), at: 0, undo: [], saved: "", time: 0 };
const STORES = ["sessionStorage", "localStorage"];  // of this tab, which each reload finds again; of the browser
let kept = true;  // whether the browser keeps the state

function restore() {
  const found = STORES.map((each) => { try { return JSON.parse(window[each].getItem(data.key)); } catch { return null; } });
  const whole = found.filter((each) => Array.isArray(each?.labels) && each.labels.length === items.length);
  const [newest] = whole.sort((a, b) => (Number(b.time) || 0) - (Number(a.time) || 0));
  if (!newest) return;
  state = { undo: [], saved: "", ...newest, labels: newest.labels.map((label) => text.has(label) ? label : "") };
  state.at = Math.min(Math.max(0, Math.trunc(state.at) || 0), items.length - 1);
}
function store(key, value) {  // whether the browser keeps it
  return STORES.map((each) => { try { window[each].setItem(key, value); return true; } catch { return false; } }).at(-1);
}
function keep() {
  state.time = Date.now();
  kept = store(data.key, JSON.stringify(state));
}
function welcome() {
  if (labeled()) say(`${labeled()} labels of before are here again.`);
  else say("Choose an answer: press its key, or click on it.", "whole");
}
const inOverview = () => document.body.classList.contains("overview");
const labeled = () => state.labels.filter(Boolean).length;
const unsaved = () => labeled() > 0 && state.saved !== state.labels.join("\n");

function say(message, kind = "") {
  at("notice").textContent = kept ? message : `${message} This browser keeps nothing here: save the csv before you close it.`;
  at("notice").className = kept ? kind : "whole warning";
}
function change(changes, place) {  // [[picture, label], ...], with a way back
  state.undo = [...state.undo, [state.at, changes.map(([i]) => [i, state.labels[i]])]].slice(-500);
  for (const [i, label] of changes) state.labels[i] = label;
  go(place);
}
function answer(label) {
  const before = state.at, open = nextOpen();
  change([[before, label]], label ? open ?? before : before);
  if (label && open === undefined) say(`All ${items.length} are labeled. Save the csv, or look over them first.`);
  else say(`${label ? text.get(label) : "no label"}: ${items[before].path}`);
}
function undo() {
  if (!state.undo.length) return say("There is nothing to take back.");
  const [place, changes] = state.undo.pop();
  for (const [i, label] of changes) state.labels[i] = label;
  go(place);
  say("Taken back.");
}
function restart() {
  change([...items.keys()].map((i) => [i, ""]), 0);
  say("Started over. Undo brings the labels back.");
}
function go(place) {
  state.at = Math.min(Math.max(0, place), items.length - 1);
  keep();
  show();
}
function nextOpen() {  // the next picture without a label, from the first one again after the last
  return [...items.keys()].map((i) => (state.at + 1 + i) % items.length).find((i) => i !== state.at && !state.labels[i]);
}
function accept() {
  const { suggestion } = items[state.at];
  if (suggestion) answer(suggestion); else say("There is no suggestion: press the key of a class.");
}
function save() {
  const cell = (value) => /[",;\s]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const lines = items.map((item, i) => [item.path, item.suggestion, item.probability ?? "", state.labels[i]]);
  const rows = [data.columns, ...lines].map((row) => row.map((value) => cell(String(value))).join(",") + "\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", ...rows], { type: "text/csv;charset=utf-8" }));
  link.download = data.save_as;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  state.saved = state.labels.join("\n");
  keep();
  show();
  say(`${labeled()} of ${items.length} labels saved as ${data.save_as} where your browser puts downloads. Move it to ` +
    `${data.folder} and run the same command again.`, "whole");
}

function build() {
  document.title = at("title").textContent = data.title;
  at("bar").max = items.length;
  at("find").hidden = data.classes.length <= 9;
  at("choices").className = data.classes.length <= 5 ? "few" : data.classes.length <= 9 ? "" : "many";
  if (data.classes.length > 9) at("find").before(at("others"));
  for (const each of answers) {
    const button = document.createElement("button"), key = document.createElement("kbd");
    key.textContent = each.key.toUpperCase();
    key.hidden = !each.key;
    button.append(key, each.text);
    button.dataset.answer = each.label;
    button.addEventListener("click", () => answer(each.label));
    each.button = button;
    at([NONE, UNSURE].includes(each.label) ? "others" : "choices").append(button);
  }
  items.forEach((item, i) => {
    const button = document.createElement("button"), name = document.createElement("span");
    const picture = document.createElement(item.image ? "img" : "span");
    if (item.image) Object.assign(picture, { src: item.image, alt: "", loading: "lazy", decoding: "async" });
    else Object.assign(picture, { className: "lost", textContent: "not shown" });
    button.append(picture, name);
    button.addEventListener("click", () => { overview(false); go(i); });
    item.button = button;
    item.caption = name;
    const place = document.createElement("li");
    place.append(button);
    at("strip").append(place);
  });
}
function show() {
  const item = items[state.at], label = state.labels[state.at], n = labeled();
  const percent = item.probability === null ? "" : ` (${Math.round(item.probability * 100)}\u00a0%)`;
  const suggested = text.get(item.suggestion) ?? item.suggestion;
  at("bar").value = n;
  at("count").textContent = `${n} of ${items.length} labeled`;
  at("saving").textContent = unsaved() ? "Save csv" : n ? "Saved" : "Save csv";
  at("picture").hidden = !item.image;
  if (item.image) at("picture").src = item.image;
  at("picture").alt = `picture ${state.at + 1}: ${item.path}`;
  at("gap").hidden = Boolean(item.image);
  at("gap").textContent = `${item.path} cannot be shown: ${item.why}`;
  at("name").textContent = `${state.at + 1} / ${items.length}   ${item.path}`;
  at("accept").disabled = !item.suggestion;
  at("suggestion").textContent = suggested ? `Suggested: ${suggested}${percent}` : "No suggestion yet";
  for (const each of answers) {
    each.button.setAttribute("aria-pressed", each.label === label);
    each.button.classList.toggle("suggested", each.label === item.suggestion);
  }
  items.forEach((each, i) => {
    const own = state.labels[i];
    if (each.shown === own) return;
    each.shown = own;
    each.caption.textContent = own ? text.get(own) : String(i + 1);
    each.button.classList.toggle("answered", Boolean(own));
    each.button.setAttribute("aria-label", `${i + 1}: ${each.path}, ${own ? text.get(own) : "no label"}`);
  });
  document.querySelector("#strip [aria-current]")?.removeAttribute("aria-current");
  item.button.setAttribute("aria-current", "true");
  const strip = at("strip"), box = item.button.parentElement;  // scrolls the strip alone, never the page
  strip.scrollLeft = box.offsetLeft - strip.offsetLeft - (strip.clientWidth - box.clientWidth) / 2;
  if (inOverview()) box.scrollIntoView({ block: "nearest" });
  at("undo").disabled = !state.undo.length;
  at("clear").disabled = !label;
  at("restart").disabled = !n;
}
function overview(on) {
  document.body.classList.toggle("overview", on);
  at("viewing").textContent = on ? "One picture" : "Overview";
  show();
}
function filter() {  // shows the classes with what is typed in their names, and gives them
  const wanted = at("find").value.trim().toLowerCase();
  const fits = answers.filter((each) => (each.button.hidden = !each.text.toLowerCase().includes(wanted)) === false);
  const whole = fits.filter((each) => each.text.toLowerCase() === wanted);
  return whole.length ? whole : fits;
}
function pressInFind(event) {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  const fits = filter();
  if (event.key === "Enter" && fits.length !== 1) return say(`${fits.length} classes have that in their names: go on typing.`);
  at("find").value = "";
  filter();
  at("stage").focus({ preventScroll: true });
  if (event.key === "Enter") answer(fits[0].label);
}
function press(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && (key === "s" || key === "z")) {
    event.preventDefault();
    return key === "s" ? save() : undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target === at("find")) return pressInFind(event);
  const onButton = event.target instanceof HTMLButtonElement;  // which Enter and Space press
  const moves = { ArrowLeft: state.at - 1, ArrowRight: state.at + 1, Home: 0, End: items.length - 1 };
  const acts = { Backspace: undo, Escape: () => overview(!inOverview()),
    Delete: () => state.labels[state.at] && answer("") };
  const code = /^Digit\d$|^Key[A-Z]$/.test(event.code) ? event.code.slice(-1).toLowerCase() : "";
  const digit = /^\d$/.test(key) ? key : /\d/.test(code) ? code : "";  // above letters, with or without shift
  const letter = /^[a-z]$/.test(key) ? key : /[a-z]/.test(code) ? code : "";  // or where it is on a keyboard of another script
  const chosen = answers.find((each) => each.key && each.key === (digit || letter));
  if (key === "/" && !at("find").hidden) at("find").focus();
  else if (key in moves) go(moves[key]);
  else if (event.repeat) return;  // a key that is held down labels once
  else if (key in acts) acts[key]();
  else if ((key === "Enter" || key === " ") && !onButton) accept();
  else if (chosen) answer(chosen.label);
  else return;
  event.preventDefault();
}

function listen() {
  for (const [id, act] of Object.entries({ save, undo, accept, restart, next: () => go(nextOpen() ?? state.at),
    back: () => go(state.at - 1), forward: () => go(state.at + 1), clear: () => answer(""),
    view: () => overview(!inOverview()),
  })) at(id).addEventListener("click", act);
  at("find").addEventListener("input", filter);
  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {  // so that Enter accepts, and does not press again what the mouse pressed
    if (event.detail > 0 && event.target !== at("find")) at("stage").focus({ preventScroll: true });
  });
  addEventListener("storage", (event) => { if (event.key === data.key) { restore(); show(); welcome(); } });
  addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });
}
function start() {
  restore();
  build();
  listen();
  kept = store("tfal", "");  // what other tabs have kept stays as it is until there is something new
  show();
  document.body.inert = false;
  at("stage").focus({ preventScroll: true });
  welcome();
}
document.body.inert = true;
// Not at once: where a page of a file asks for it right after its process began, Chromium (156) at times gives it a
// localStorage that is empty and that no other page ever sees.
addEventListener("load", () => setTimeout(start, 300));
