// A device's panel: what it shows, drawn from what was pushed, and what a person does with it.

import { Channel } from "./channel.js";
import { arrange, fromTemplate, glide, isTyping, setText } from "./dom.js";
import { Item } from "./item.js";
import { itemKeys } from "./keys.js";
import { Lists, NO_LIST } from "./lists.js";
import { drawLog } from "./log.js";

const ALERT_TIME = 7000;
/** So many rows are a long list. */
const LONG = 300;

export class Device {
  #channel;
  /** What was pushed: `view`, `sync` and `log`. */
  #pushed = {};
  /** What the page itself warns of. */
  #warnings = [];
  /** Why nothing is pushed right now. */
  #absence = null;
  #lists;
  /** The rows by item, kept so that focus, caret and open details survive a push. */
  #items = new Map();
  /** The items of the last drawing: those of the next that are not among them are new. */
  #seen = null;
  /** The row in which the tab key stops. */
  #current = null;
  #showsArchive = false;
  #isDragging = false;
  /** How many rows there are at most for now: the first of a long list are there at once, and the rest soon after. */
  #room = LONG;
  /** How many requests have no answer yet. */
  #asking = 0;
  #alertTimer;
  #roomTimer;

  /** The carrier brings messages to the device and back; see `channel.js`. */
  constructor(name, label, carrier) {
    this.name = name;
    this.element = fromTemplate("device");
    this.element.dataset.device = name;
    this.element.setAttribute("aria-label", label);
    setText(this.#find("[data-name]"), label);
    this.list = this.#find("ul");
    this.newItem = this.#find("[data-new-item] input");
    this.#lists = new Lists(this);
    this.#listen();
    itemKeys(this);
    this.#channel = new Channel(carrier, {
      opened: () => this.#setLive("open", null),
      closed: (why) => this.#setLive("closed", why),
      pushed: (push) => {
        Object.assign(this.#pushed, push);
        if (push.view || push.log) this.draw();
        else this.#drawSync();
      },
    });
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  #listen() {
    const on = (selector, event, act) => this.#find(selector).addEventListener(event, act);
    on("[data-new-item]", "submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    on("[data-undo]", "click", () => this.undo());
    on("[data-hide-done]", "click", () => this.ask("prefer", { hideDone: !this.#pushed.view.preferences.hideDone }));
    on("[data-archived]", "click", () => {
      this.#showsArchive = !this.#showsArchive;
      this.draw();
    });
    on("[role=switch]", "click", () => this.ask(this.#pushed.sync?.offline ? "goOnline" : "goOffline"));
    on("ul", "focusin", (event) => {
      const row = event.target.closest("li");
      if (row) this.#setCurrent(row.dataset.item);
    });
  }

  // What a person does.

  /** Asks the device for something; a refusal is shown. Returns the entities, or null. */
  async ask(what, fields) {
    this.element.dataset.asking = ++this.#asking;
    try {
      return await this.#channel.request(what, fields);
    } catch (error) {
      this.alert(error.message);
      return null;
    } finally {
      this.element.dataset.asking = --this.#asking;
    }
  }

  undo() {
    return this.ask("undo");
  }

  async #add() {
    const title = this.newItem.value;
    const added = await this.ask("add", { list: this.shown().id, title });
    if (!added) return;
    if (this.newItem.value === title) this.newItem.value = "";
    this.#items.get(added[0])?.element.scrollIntoView({ block: "nearest" });
  }

  /** Moves an item before another of the shown list, or to its end. */
  move(item, before) {
    return this.ask("move", { item, list: this.shown().id, before });
  }

  /** Tells whether the rows have an order that a person can change. */
  canMove() {
    return this.shown().id !== null && !this.#showsArchive;
  }

  /** Tells whether an item of the shown list can go to another. */
  canMoveTo(list) {
    return list !== NO_LIST && list !== this.shown().id;
  }

  /** Holds the rows still while one of them is dragged. */
  setDragging(isDragging) {
    this.#isDragging = isDragging;
    if (!isDragging) this.draw();
  }

  // What it shows.

  /** Returns the list that is shown. */
  shown() {
    return this.#lists.shown(this.#pushed.view.lists);
  }

  /** Returns the rows that are shown. */
  rows() {
    return [...this.list.children].map((row) => this.#items.get(row.dataset.item));
  }

  /** Says what went wrong, for a while. */
  alert(sentence) {
    const alert = this.#find("[role=alert]");
    clearTimeout(this.#alertTimer);
    alert.textContent = sentence;
    this.#alertTimer = setTimeout(() => (alert.textContent = ""), ALERT_TIME);
  }

  /** Says what is wrong, as long as it is. */
  warn(sentences) {
    this.#warnings = sentences;
    this.#drawSync();
  }

  #setLive(live, absence) {
    this.element.dataset.live = live;
    this.#absence = absence;
    this.#drawSync();
  }

  /** Draws everything from what was pushed. */
  draw() {
    this.#drawSync();
    if (!this.#pushed.view || this.#isDragging) return;
    this.#lists.draw(this.#pushed.view.lists);
    this.#drawItems();
    if (this.#pushed.log) drawLog(this.#find(".log"), this.#pushed.log);
  }

  #drawSync() {
    const isOpen = this.element.dataset.live === "open";
    const { sentence, pending, offline, mood } = this.#pushed.sync ?? { sentence: "Connecting", pending: 0, mood: "waiting" };
    const status = this.#find("[role=status]");
    setText(status, isOpen || !this.#pushed.sync ? sentence : this.#absence);
    status.title = this.#pushed.sync ? tellData(this.#pushed.sync) : "";
    status.dataset.pending = pending;
    status.dataset.mood = isOpen ? mood : "trouble";
    this.element.dataset.offline = offline === true;
    const warnings = [...this.#warnings, ...(this.#pushed.sync?.clock ?? [])];
    this.#find(".clock").hidden = warnings.length === 0;
    setText(this.#find(".clock"), warnings.join(" "));
    const offlineSwitch = this.#find("[role=switch]");
    offlineSwitch.hidden = !this.#pushed.log;
    offlineSwitch.setAttribute("aria-checked", offline === true);
  }

  #drawItems() {
    const { lists, preferences } = this.#pushed.view;
    const list = this.shown();
    const there = list.items.filter((item) => item.archived === this.#showsArchive);
    const visible = there.filter((item) => !preferences.hideDone || !item.done || this.#showsArchive);
    const targets = lists.filter((list) => list.id !== null);
    const context = JSON.stringify([targets.map(({ id, name }) => [id, name]), new Date().toDateString()]);
    const rows = visible.slice(0, this.#room).map((state) => {
      const item = this.#item(state.id);
      item.draw(state, targets, context);
      return item.element;
    });
    this.#forgetDeleted(new Set(lists.flatMap((list) => list.items.map((item) => item.id))));
    this.list.classList.toggle("long", rows.length > LONG);
    this.#arrange(rows);
    if (!visible.some((item) => item.id === this.#current)) this.#current = visible[0]?.id ?? null;
    this.#setCurrent(this.#current);
    if (visible.length > rows.length) this.#makeRoom();

    this.#find(".empty").hidden = visible.length > 0;
    setText(this.#find(".empty"), this.#tellEmpty(there.length));
    this.#find("[data-new-item]").hidden = list.id === null || this.#showsArchive;
    this.#find("[data-hide-done]").setAttribute("aria-pressed", preferences.hideDone);
    this.#find("[data-archived]").setAttribute("aria-pressed", this.#showsArchive);
  }

  /** Draws more rows once the page has shown those that there are. */
  #makeRoom() {
    clearTimeout(this.#roomTimer);
    this.#roomTimer = setTimeout(() => {
      this.#room *= 4;
      this.draw();
    });
  }

  #tellEmpty(hidden) {
    if (this.#showsArchive) return "Nothing of this list is in the archive.";
    if (hidden > 0) return `All done. ${hidden} ${hidden === 1 ? "item is" : "items are"} out of sight.`;
    return "Nothing to do here.";
  }

  /** Returns an item's row. One that has just come, from this device or another, is made to be noticed. */
  #item(id) {
    const known = this.#items.get(id);
    if (known) return known;
    const item = new Item(id, this);
    this.#items.set(id, item);
    if (this.#seen && !this.#seen.has(id)) item.element.classList.add("new");
    return item;
  }

  #forgetDeleted(ids) {
    this.#seen = ids;
    for (const [id, item] of this.#items) {
      if (ids.has(id)) continue;
      const wasBusy = item.element.contains(document.activeElement) && isTyping();
      if (wasBusy) this.alert("What you were writing in was deleted on another device. Undo it there to get it back.");
      this.#items.delete(id);
    }
  }

  /** Arranges the rows. When the one with the focus goes, its neighbour gets it. */
  #arrange(rows) {
    const before = [...this.list.children];
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    const at = focused ? before.findIndex((row) => row.contains(focused)) : -1;
    glide(rows, () => arrange(this.list, rows));
    if (at < 0 || rows.includes(before[at])) return;
    const next = before.slice(at + 1).find((row) => rows.includes(row)) ?? rows.at(-1);
    (next ?? this.newItem).focus();
  }

  #setCurrent(id) {
    this.#current = id;
    for (const item of this.#items.values()) item.setCurrent(item.id === id);
  }
}

function tellData({ words, storage }) {
  return [`Data: ${words}. The same words on another device mean the same data.`, storage].filter(Boolean).join(" ");
}
