// The event log, the newest last.

import { arrange, setText } from "./dom.js";

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** Draws the log's lines, and keeps the newest in sight unless the person reads further up. */
export function drawLog(section, lines) {
  section.hidden = false;
  const list = section.querySelector("ol");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const known = new Map([...list.children].map((line) => [line.dataset.key, line]));
  const elements = lines.map((line) => {
    const element = known.get(line.key) ?? makeLine(line.key, known.size > 0);
    drawLine(element, line);
    return element;
  });
  arrange(list, elements);
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function makeLine(key, isNew) {
  const line = document.createElement("li");
  line.dataset.key = key;
  line.classList.toggle("new", isNew);
  for (const kind of ["time", "name", "what", "from"]) {
    const part = document.createElement("span");
    part.className = kind;
    line.append(part, " ");
  }
  return line;
}

/** Draws a line anew each time: an event that arrives late can change what those after it were about. */
function drawLine(element, { time, name, what, from, isOverwritten }) {
  const [clock, ...words] = element.children;
  setText(clock, new Date(time).toLocaleTimeString(undefined, TIME));
  [name, what, from].forEach((text, at) => setText(words[at], text));
  element.dataset.from = from === "here" ? "here" : "elsewhere";
  element.classList.toggle("overwritten", isOverwritten);
  element.title = isOverwritten ? "Something newer has taken its place." : "";
}
