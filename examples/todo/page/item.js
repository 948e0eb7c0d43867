// One item's row.

import { fromTemplate, setText, setValue } from "./dom.js";
import { startDrag } from "./drag.js";

export class Item {
  #device;
  #state;
  /** What was drawn last, to leave a row of many alone that has not changed. */
  #drawn;
  #isCurrent;
  #find;

  constructor(id, device) {
    this.id = id;
    this.#device = device;
    this.element = fromTemplate("item");
    this.element.dataset.item = id;
    this.#find = (selector) => this.element.querySelector(selector);
    this.#listen();
  }

  async #ask(what, fields) {
    try {
      return await this.#device.ask(what, { item: this.id, ...fields });
    } finally {
      // What was refused has to be drawn as it was before.
      this.#drawn = undefined;
    }
  }

  #listen() {
    const on = (selector, event, act) => this.#find(selector).addEventListener(event, act);
    on("[type=checkbox]", "change", (event) => this.tick(event.target.checked));
    on("[data-title]", "click", () => this.edit());
    on(".details-button", "click", () => this.toggleDetails());
    on("[data-unarchive]", "click", () => this.#ask("archive", { archived: false }));
    on("[data-archive]", "click", () => this.#ask("archive", { archived: !this.#state.archived }));
    on("[data-delete]", "click", () => this.delete());
    on("[aria-label=List]", "change", (event) => this.#ask("move", { list: event.target.value, before: null }));
    this.element.addEventListener("animationend", () => this.element.classList.remove("new"));
    on("[data-handle]", "pointerdown", (event) => startDrag(event, this.#device, this));
    this.#saveQuietly(this.#find("textarea"), 1000, (notes) => this.#ask("note", { notes }));
    this.#saveQuietly(this.#find("[type=date]"), 700, (day) => this.#ask("due", { due: day || null }));
  }

  /** Saves a field when the person pauses or leaves it. (A date is a date after the first digit of its year.) */
  #saveQuietly(field, pause, save) {
    let timer;
    const saveNow = async () => {
      clearTimeout(timer);
      const { value } = field;
      if (value === (field.dataset.known ?? "") || !field.validity.valid) return;
      field.dataset.known = value;
      field.dataset.saving = "true";
      await save(value);
      delete field.dataset.saving;
    };
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(saveNow, pause);
    });
    field.addEventListener("blur", saveNow);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.element.focus();
    });
  }

  async tick(done = !this.#state.done) {
    if (!(await this.#ask("tick", { done }))) this.#find("[type=checkbox]").checked = this.#state.done;
  }

  delete() {
    return this.#ask("delete");
  }

  toggleDetails() {
    const details = this.#find(".details");
    details.hidden = !details.hidden;
    this.#find(".details-button").setAttribute("aria-expanded", !details.hidden);
  }

  /** Turns the title into a field. Enter and leaving it save, Escape takes it back. What is refused can be mended. */
  edit(text = this.#state.title) {
    const title = this.#find("[data-title]");
    const input = this.#find("[aria-label=Title]");
    if (!input.hidden) return;
    const before = this.#state.title;
    const close = () => {
      input.onblur = input.onkeydown = null;
      const hasFocus = document.activeElement === input;
      title.hidden = false;
      input.hidden = true;
      if (hasFocus) this.element.focus();
    };
    const save = async () => {
      const { value } = input;
      close();
      if (value.trim() === "" || value === before) return;
      setText(title, value.trim());
      const isSaved = await this.#ask("rename", { title: value });
      setText(title, this.#state.title);
      if (!isSaved && this.element.isConnected) this.edit(value);
    };
    title.hidden = true;
    input.hidden = false;
    input.value = text;
    input.focus();
    input.select();
    input.onblur = save;
    input.onkeydown = (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") save();
      if (event.key === "Escape") close();
    };
  }

  setCurrent(isCurrent) {
    if (isCurrent === this.#isCurrent) return;
    this.#isCurrent = isCurrent;
    this.element.tabIndex = isCurrent ? 0 : -1;
    // The tab key stops at the controls of the current row, and not at those of every row.
    for (const control of this.element.querySelectorAll(".row button, .row [type=checkbox]")) {
      control.tabIndex = isCurrent ? 0 : -1;
    }
  }

  /** Draws the item as it is. What the person is changing right now stays as it is. `context` is all else that a row shows. */
  draw(state, lists, context) {
    this.#state = state;
    const drawn = JSON.stringify(state) + context;
    if (drawn === this.#drawn && !this.element.contains(document.activeElement)) return;
    this.#drawn = drawn;
    const { title, notes, due, done, archived, list } = state;
    this.element.dataset.done = done;
    this.#find("[type=checkbox]").checked = done;
    setText(this.#find("[data-title]"), title);
    setValue(this.#find("textarea"), notes);
    setValue(this.#find("[type=date]"), due ?? "");
    this.#drawMeta(due, notes, done);
    this.#drawLists(lists, list);
    this.#find("[data-unarchive]").hidden = !archived;
    this.#find("[data-archive]").hidden = archived;
  }

  #drawMeta(due, notes, done) {
    const chip = this.#find(".due");
    chip.hidden = !due;
    if (due) {
      const { words, isOver } = tellDay(due);
      setText(chip, words);
      chip.classList.toggle("over", isOver && !done);
    }
    setText(this.#find(".excerpt"), notes.trim().split("\n")[0].slice(0, 200));
    this.#find(".meta").hidden = !due && notes.trim() === "";
  }

  #drawLists(lists, own) {
    const select = this.#find("select");
    const wanted = lists.some((list) => list.id === own) ? lists : [{ id: "", name: "No list" }, ...lists];
    const known = JSON.stringify(wanted.map(({ id, name }) => [id, name]));
    if (select.dataset.known !== known) {
      select.replaceChildren(...wanted.map(({ id, name }) => new Option(name, id)));
      select.dataset.known = known;
    }
    select.value = wanted === lists ? own : "";
  }
}

/** Says a day in words, by the calendar of this machine. */
function tellDay(text) {
  const [year, month, day] = text.split("-").map(Number);
  const date = new Date(year, month - 1, day);
  const today = new Date();
  today.setHours(0, 0, 0, 0);
  const days = Math.round((date - today) / 86_400_000);
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
  const form = { day: "numeric", month: "short", year: date.getFullYear() === today.getFullYear() ? undefined : "numeric" };
  const words = near ?? date.toLocaleDateString(undefined, days > 0 && days < 7 ? { weekday: "long" } : form);
  return { words: days < 0 ? `was due ${words}` : `due ${words}`, isOver: days < 0 };
}
