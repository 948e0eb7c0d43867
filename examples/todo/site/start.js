// The first start: an account, where its devices meet, and how the seed is kept here.

import { fromTemplate, setText } from "./dom.js";
import { createSeed, readSeed } from "./seeds.js";
import { mayHavePasskey, sealWithPasskey, sealWithPassphrase } from "./vault.js";

/** Shows a step in place of the one before, and returns a function that finds elements in it. */
export function showStep(id) {
  const section = fromTemplate(id);
  document.getElementById("devices").replaceChildren(section);
  section.querySelector("h1").focus();
  return (selector) => section.querySelector(selector);
}

/** Calls `act` with the form's fields; what it throws is shown, and the person can try again. */
export function onSubmit(find, form, act) {
  find(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    await attempt(find, () => act(event.target.elements));
  });
}

/** Does something that can fail, with the buttons at rest meanwhile. */
export async function attempt(find, act) {
  const complaint = find(".complaint");
  const buttons = [...complaint.closest("section, dialog").querySelectorAll("button")];
  complaint.textContent = "";
  buttons.forEach((button) => (button.disabled = true));
  try {
    return await act();
  } catch (error) {
    complaint.textContent = error.message;
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

export function drawWords(list, words) {
  list.replaceChildren(
    ...words.split(" ").map((word) => {
      const item = document.createElement("li");
      item.textContent = word;
      return item;
    }),
  );
}

/** Asks for an account; resolves to `{ seed, fingerprint }`. */
export async function chooseAccount() {
  for (;;) {
    const account = (await welcome()) === "new" ? await create() : await enter();
    if (account) return account;
  }
}

function welcome() {
  const find = showStep("welcome");
  return new Promise((resolve) => {
    find("[data-new-account]").addEventListener("click", () => resolve("new"));
    find("[data-have-account]").addEventListener("click", () => resolve("old"));
  });
}

async function create() {
  const account = await createSeed();
  const find = showStep("created");
  drawWords(find("[data-words]"), account.words);
  setText(find("[data-fingerprint]"), account.fingerprint);
  return new Promise((resolve) => {
    find("[data-back]").addEventListener("click", () => resolve(null));
    find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      resolve(account);
    });
  });
}

/** Asks for words; resolves to null if the person has none after all. */
export function enter() {
  const find = showStep("enter");
  return new Promise((resolve) => {
    find("[data-back]").addEventListener("click", () => resolve(null));
    onSubmit(find, "form", async ({ words }) => resolve(await readSeed(words.value)));
  });
}

/** Asks whether an account that a link brought is the person's own: it may be somebody else's. */
export function confirmAccount(account) {
  const find = showStep("confirm");
  setText(find("[data-fingerprint]"), account.fingerprint);
  return new Promise((resolve) => {
    find("[data-yes]").addEventListener("click", () => resolve(account));
    find("[data-back]").addEventListener("click", () => resolve(null));
  });
}

/** Asks for the host's address; an empty one is for none. */
export function chooseHost(known, complaint = "") {
  const find = showStep("host");
  find("input").value = known;
  find(".complaint").textContent = complaint;
  return new Promise((resolve) => onSubmit(find, "form", async ({ host }) => resolve(checkHost(host.value))));
}

/** Returns an address as it is used, or throws a sentence. */
export function checkHost(text) {
  const address = text.trim();
  if (address === "") return "";
  const url = URL.canParse(address) ? new URL(address) : null;
  const isHere = ["localhost", "127.0.0.1"].includes(url?.hostname);
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && isHere)) {
    throw new Error("The address of a host begins with https:// here. (On this machine, http://localhost works, too.)");
  }
  return address;
}

/** Asks how to keep the seed; resolves to the part of the record that holds it. */
export async function protect({ seed, fingerprint }) {
  const hasPasskey = await mayHavePasskey();
  const find = showStep("protect");
  find("[data-passkey-choice]").hidden = !hasPasskey;
  return new Promise((resolve) => {
    find("[data-passkey]").addEventListener("click", () =>
      attempt(find, async () => resolve(await sealWithPasskey(seed, `Todo ${fingerprint}`))));
    onSubmit(find, "form", async ({ passphrase, again }) => {
      if (passphrase.value !== again.value) throw new Error("The two are not the same.");
      resolve(await sealWithPassphrase(seed, passphrase.value));
    });
    find("[data-unprotected]").addEventListener("click", () => resolve({ kind: "plain", seed }));
  });
}
