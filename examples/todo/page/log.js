// The event log, the newest last.

import { arrange, setText } from "./dom.js";

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** Draws the log's lines, and keeps the newest in sight unless the person reads further up. */
export function drawLog(section, lines) {
  section.hidden = false;
  const list = section.querySelector("ol");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const known = new Map([...list.children].map((line) => [line.dataset.key, line]));
  arrange(list, lines.map((line) => drawLine(known.get(line.key) ?? makeLine(line), line)));
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function makeLine({ key, time, name, what, from }) {
  const line = document.createElement("li");
  line.dataset.key = key;
  line.dataset.from = from === "here" ? "here" : "elsewhere";
  const part = (kind, text) => {
    const span = document.createElement("span");
    span.className = kind;
    setText(span, text);
    return span;
  };
  const clock = part("time", new Date(time).toLocaleTimeString(undefined, TIME));
  line.append(clock, " ", part("name", name), " ", part("what", what), " ", part("from", from));
  return line;
}

function drawLine(element, { isOverwritten }) {
  element.classList.toggle("overwritten", isOverwritten);
  return element;
}
