// What the keyboard does.

import { isTyping } from "./dom.js";

/** The keys within a device's items. */
export function itemKeys(device) {
  device.list.addEventListener("keydown", (event) => {
    const element = event.target.closest("li");
    if (!element || isTyping() || event.ctrlKey || event.metaKey) return;
    const rows = device.rows();
    const at = rows.findIndex((row) => row.element === element);
    const row = rows[at];
    const isOnRow = event.target === element;
    const act = {
      ArrowUp: () => (event.altKey ? move(device, rows, at, -1) : rows[at - 1]?.element.focus()),
      ArrowDown: () => (event.altKey ? move(device, rows, at, 1) : rows[at + 1]?.element.focus()),
      Home: () => rows[0].element.focus(),
      End: () => rows.at(-1).element.focus(),
      Delete: () => row.delete(),
      F2: () => row.edit(),
      ...(isOnRow && { " ": () => row.tick(), Enter: () => row.edit() }),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Moves a row by one place. */
function move(device, rows, at, step) {
  const to = at + step;
  if (!device.canMove() || to < 0 || to >= rows.length) return;
  const next = step < 0 ? rows[to] : rows[to + 1];
  device.move(rows[at].id, next?.id ?? null);
}

/** The keys of the whole page; they go to the device that was used last. */
export function pageKeys(devices) {
  let last = null;
  const use = (event) => (last = devices.find((device) => device.element.contains(event.target)) ?? last);
  document.addEventListener("focusin", use);
  document.addEventListener("pointerdown", use);
  document.addEventListener("keydown", (event) => {
    if (isTyping() || event.defaultPrevented || event.altKey) return;
    const isUndo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    const isNew = event.key === "n" && !event.ctrlKey && !event.metaKey;
    const used = devices.includes(last) ? last : devices[0];
    if (isUndo) used?.undo();
    if (isNew) used?.newItem.focus();
    if (isUndo || isNew) event.preventDefault();
  });
}
