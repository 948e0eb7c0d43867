// The account of a device that runs: its fingerprint, its host, and what brings it to another device.

import { fromTemplate, setText } from "./dom.js";
import { linkTo } from "./fragment.js";
import { drawCode, readSeed } from "./seeds.js";
import { checkHost, drawWords, onSubmit } from "./start.js";
import { openWithPasskey, openWithPassphrase } from "./vault.js";

const PROTECTION = {
  passkey: "In this browser, a passkey protects it.",
  passphrase: "In this browser, a passphrase protects it.",
  plain: "In this browser, nothing protects it: whoever can use the browser can read the words.",
};

/** Adds the button to a device. `changeHost(address)` is called when the person has given another. */
export function addAccountButton(device, record, changeHost) {
  const button = fromTemplate("account-button");
  button.addEventListener("click", () => show(device.element, record, changeHost));
  device.element.querySelector(".top").append(button);
}

function show(parent, record, changeHost) {
  const dialog = fromTemplate("account");
  const find = (selector) => dialog.querySelector(selector);
  setText(find("[data-fingerprint]"), record.fingerprint);
  setText(find("[data-protection]"), PROTECTION[record.kind]);
  find("[name=host]").value = record.host;
  find("[data-show-form] label").hidden = record.kind !== "passphrase";
  find("[data-show-form] input").required = record.kind === "passphrase";
  onSubmit(find, "[data-host-form]", async ({ host }) => {
    await changeHost(checkHost(host.value));
    dialog.close();
  });
  onSubmit(find, "[data-show-form]", async ({ passphrase }) => {
    const seed = await open(record, passphrase.value);
    const [{ words }, code] = await Promise.all([readSeed(seed), drawCode(linkTo({ seed, host: record.host }))]);
    drawWords(find("[data-words]"), words);
    draw(find(".code"), code);
    find("[data-shown-seed]").hidden = false;
    find("[data-show-form]").hidden = true;
  });
  find("[data-close]").addEventListener("click", () => dialog.close());
  // The words are gone from the page with the dialog.
  dialog.addEventListener("close", () => dialog.remove());
  parent.append(dialog);
  dialog.showModal();
}

function open(record, passphrase) {
  if (record.kind === "plain") return record.seed;
  return record.kind === "passkey" ? openWithPasskey(record) : openWithPassphrase(record, passphrase);
}

function draw(svg, { size, path }) {
  svg.setAttribute("viewBox", `-4 -4 ${size + 8} ${size + 8}`);
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.replaceChildren(shape);
}
