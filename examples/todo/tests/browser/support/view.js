const device = document.querySelector(`section[data-device="${CSS.escape(arguments[0])}"]`);
if (!device) return null;

const isShown = (node) => node.checkVisibility({ visibilityProperty: true });
const all = (selector) => [...device.querySelectorAll(selector)].filter(isShown);
const textOf = (selector) => all(selector).map((node) => node.textContent.trim()).join(" ").trim();

const titleOf = (item) => {
  const input = item.querySelector('input[aria-label="Title"]');
  const edited = input !== null && isShown(input);
  return { edited, title: edited ? input.value : item.querySelector("[data-title]")?.textContent ?? "" };
};

const nameOf = (node) => {
  if (node === null || node === document.body) return "nothing";
  if (node.matches("li[data-item]")) return titleOf(node).title;
  return node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent.trim() ?? node.textContent.trim();
};

const lists = all('nav[aria-label="Lists"] button[data-list]');
const status = device.querySelector("[role=status][data-pending]");

return {
  live: device.dataset.live ?? "",
  lists: lists.map((button) => button.textContent.trim()),
  list: lists.find((button) => button.getAttribute("aria-current") === "true")?.textContent.trim() ?? null,
  items: all('ul[aria-label="Items"] > li[data-item]').map((item) => ({
    id: item.dataset.item,
    done: item.dataset.done === "true",
    ...titleOf(item),
  })),
  pending: status === null ? null : Number(status.dataset.pending),
  status: status?.textContent.trim() ?? "",
  alert: textOf("[role=alert]"),
  log: all('ol[aria-label="Event log"] > li').map((entry) => entry.innerText.replace(/\s+/g, " ").trim()),
  focus: device.contains(document.activeElement) ? nameOf(document.activeElement) : "nothing",
};
