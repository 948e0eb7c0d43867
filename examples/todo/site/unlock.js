// Opening the seed that this browser keeps.

import { setText } from "./dom.js";
import { attempt, onSubmit, showStep } from "./start.js";
import { openWithPasskey, openWithPassphrase } from "./vault.js";

/** Asks for what opens the seed; resolves to null if the person has lost it. */
export async function unlock(record) {
  if (record.kind === "plain") return record.seed;
  const find = showStep("unlock");
  setText(find("[data-fingerprint]"), record.fingerprint);
  find("[data-passkey-choice]").hidden = record.kind !== "passkey";
  find("form").hidden = record.kind !== "passphrase";
  find("[name=passphrase]").focus();
  return new Promise((resolve) => {
    find("[data-passkey]").addEventListener("click", () => attempt(find, async () => resolve(await openWithPasskey(record))));
    onSubmit(find, "form", async ({ passphrase }) => resolve(await openWithPassphrase(record, passphrase.value)));
    find("[data-words]").addEventListener("click", () => resolve(null));
  });
}
