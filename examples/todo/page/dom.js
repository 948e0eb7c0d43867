// What the browser's own functions leave to do.

/** Makes the element that a template holds. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Changes a text only if it is another, so that a selection in it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Gives a field its value, but not while the person changes it, or the change is on its way. */
export function setValue(field, value) {
  if (field.dataset.saving) return;
  const isBusy = document.activeElement === field && field.value !== (field.dataset.known ?? "");
  field.dataset.known = value;
  if (isBusy || field.value === value) return;
  const { selectionStart, selectionEnd } = field;
  field.value = value;
  if (document.activeElement === field && selectionStart !== null) field.setSelectionRange(selectionStart, selectionEnd);
}

/**
 * Makes these the children of a parent, in this order. The child that has the focus stays where it is, and the others
 * are put around it: moving it would take the focus, the caret and an open picker away.
 */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) child.remove();
  }
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const fixed = Math.max(0, focused ? children.findIndex((child) => child.contains(focused)) : 0);
  if (children.length > 0 && children[fixed].parentNode !== parent) parent.append(children[fixed]);
  for (let at = fixed - 1; at >= 0; at--) {
    if (children[at].nextElementSibling !== children[at + 1]) children[at + 1].before(children[at]);
  }
  for (let at = fixed + 1; at < children.length; at++) {
    if (children[at - 1].nextElementSibling !== children[at]) children[at - 1].after(children[at]);
  }
}

/** Lets those of the rows that come to stand elsewhere glide there while `change` changes the page. */
export function glide(rows, change) {
  const before = new Map(rows.filter((row) => row.isConnected).map((row) => [row, row.offsetTop]));
  change();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const [row, top] of before) {
    const by = top - row.offsetTop;
    if (by === 0 || !row.isConnected) continue;
    row.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 160, easing: "ease-out" });
  }
}

/** Tells whether the person is typing, so that letters are not commands. */
export function isTyping() {
  const element = document.activeElement;
  if (!element) return false;
  return element.matches("textarea, select, [contenteditable]") || (element.matches("input") && element.type !== "checkbox");
}
