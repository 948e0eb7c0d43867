// A device's panel: what it shows, drawn from what the program pushed, and what a person does with it.

import { Channel } from "./channel.js";
import { arrange, fromTemplate, setText } from "./dom.js";
import { Item } from "./item.js";
import { itemKeys } from "./keys.js";
import { drawLog } from "./log.js";

const ALERT_TIME = 7000;
const NO_LIST = "none";

export class Device {
  #channel;
  /** What the program pushed: `view`, `sync` and `log`. */
  #pushed = {};
  /** The rows by item, kept so that focus, caret and open details survive a push. */
  #items = new Map();
  #tabs = new Map();
  #shown;
  #showsArchive = false;
  #current = null;
  #isDragging = false;
  #alertTimer;

  constructor(name, label) {
    this.name = name;
    this.element = fromTemplate("device");
    this.element.dataset.device = name;
    this.element.setAttribute("aria-label", label);
    setText(this.#find("[data-name]"), label);
    this.list = this.#find("ul");
    this.newItem = this.#find("[data-new-item] input");
    this.#shown = sessionStorage.getItem(`${location.pathname}${name}`);
    this.#listen();
    itemKeys(this);
    this.#channel = new Channel(`live/${name}`, {
      opened: () => this.#setLive(true),
      closed: () => this.#setLive(false),
      pushed: (push) => {
        Object.assign(this.#pushed, push);
        this.draw();
      },
    });
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  /** Asks the program for something; a refusal is shown. Returns the entities, or null. */
  async ask(what, fields) {
    try {
      return await this.#channel.request(what, fields);
    } catch (error) {
      this.#alert(error.message);
      return null;
    }
  }

  #alert(sentence) {
    const alert = this.#find("[role=alert]");
    clearTimeout(this.#alertTimer);
    alert.textContent = sentence;
    this.#alertTimer = setTimeout(() => (alert.textContent = ""), ALERT_TIME);
  }

  #setLive(isOpen) {
    this.element.dataset.live = isOpen ? "open" : "closed";
    this.draw();
  }

  // What a person does.

  #listen() {
    const on = (selector, event, act) => this.#find(selector).addEventListener(event, act);
    on("[data-new-item]", "submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    on("[data-new-list]", "submit", (event) => {
      event.preventDefault();
      this.#addList(event.target.querySelector("input"));
    });
    on("[data-undo]", "click", () => this.undo());
    on("[data-hide-done]", "click", () => this.ask("prefer", { hideDone: !this.#pushed.view.preferences.hideDone }));
    on("[data-archived]", "click", () => {
      this.#showsArchive = !this.#showsArchive;
      this.draw();
    });
    on("[aria-label='Delete list']", "click", () => this.ask("deleteList", { list: this.#list().id }));
    on("[aria-label='Rename list']", "click", () => this.#editListName());
    on("[role=switch]", "click", () => this.ask(this.#pushed.sync?.offline ? "goOnline" : "goOffline"));
    this.list.addEventListener("focusin", (event) => {
      const row = event.target.closest("li");
      if (row) this.#setCurrent(row.dataset.item);
    });
  }

  undo() {
    return this.ask("undo");
  }

  async #add() {
    const title = this.newItem.value;
    const added = await this.ask("add", { list: this.#list().id, title });
    if (!added) return;
    if (this.newItem.value === title) this.newItem.value = "";
    this.#items.get(added[0])?.element.scrollIntoView({ block: "nearest" });
  }

  async #addList(input) {
    const added = await this.ask("addList", { name: input.value });
    if (!added) return;
    input.value = "";
    this.#show(added[0]);
    this.newItem.focus();
  }

  #editListName() {
    const { id, name } = this.#list();
    const heading = this.#find("[data-list-name]");
    const input = this.#find("[data-list-input]");
    const close = () => {
      input.onblur = input.onkeydown = null;
      input.hidden = true;
      heading.hidden = false;
    };
    const save = () => {
      close();
      if (input.value.trim() !== "" && input.value !== name) this.ask("renameList", { list: id, name: input.value });
    };
    heading.hidden = true;
    input.hidden = false;
    input.value = name;
    input.select();
    input.focus();
    input.onblur = save;
    input.onkeydown = (event) => {
      if (event.key === "Enter" && !event.isComposing) save();
      if (event.key === "Escape") close();
    };
  }

  #show(list) {
    this.#shown = list;
    sessionStorage.setItem(`${location.pathname}${this.name}`, list);
    this.draw();
  }

  /** Holds the rows still while one of them is dragged. */
  setDragging(isDragging) {
    this.#isDragging = isDragging;
    if (!isDragging) this.draw();
  }

  #setCurrent(id) {
    this.#current = id;
    for (const item of this.#items.values()) item.setCurrent(item.id === id);
  }

  // What it shows.

  #lists() {
    return this.#pushed.view?.lists ?? [];
  }

  /** Returns the list that is shown: the first, when the one that was is gone. */
  #list() {
    const lists = this.#lists();
    return lists.find((list) => (list.id ?? NO_LIST) === this.#shown) ?? lists[0];
  }

  /** Draws everything from what was pushed. */
  draw() {
    this.#drawSync();
    if (!this.#pushed.view || this.#isDragging) return;
    this.#drawLists();
    this.#drawItems();
    if (this.#pushed.log) drawLog(this.#find(".log"), this.#pushed.log);
  }

  #drawSync() {
    const isOpen = this.element.dataset.live === "open";
    const { sentence, pending, offline, mood } = this.#pushed.sync ?? { sentence: "Connecting", pending: 0, mood: "waiting" };
    const status = this.#find("[role=status]");
    setText(status, isOpen || !this.#pushed.sync ? sentence : "The program is not running");
    status.dataset.pending = pending;
    status.dataset.mood = isOpen ? mood : "trouble";
    this.element.dataset.offline = offline === true;
    const offlineSwitch = this.#find("[role=switch]");
    offlineSwitch.hidden = !this.#pushed.log;
    offlineSwitch.setAttribute("aria-checked", offline === true);
  }

  #drawLists() {
    const shown = this.#list();
    const tabs = this.#lists().map((list) => {
      const id = list.id ?? NO_LIST;
      const tab = this.#tabs.get(id) ?? this.#makeTab(id);
      setText(tab, list.name);
      tab.dataset.open = list.items.filter((item) => !item.done && !item.archived).length || "";
      if (list === shown) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
      return tab;
    });
    arrange(this.#find("[data-lists]"), tabs);
    setText(this.#find("[data-list-name]"), shown.name);
    this.#find("[aria-label='Rename list']").hidden = shown.id === null;
    this.#find("[aria-label='Delete list']").hidden = shown.id === null || shown.isInbox;
  }

  #makeTab(id) {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.dataset.list = id;
    tab.addEventListener("click", () => this.#show(id));
    this.#tabs.set(id, tab);
    return tab;
  }

  #drawItems() {
    const list = this.#list();
    const { hideDone } = this.#pushed.view.preferences;
    const there = list.items.filter((item) => item.archived === this.#showsArchive);
    const visible = there.filter((item) => !hideDone || !item.done || this.#showsArchive);
    const lists = this.#lists().filter((list) => list.id !== null);
    const rows = visible.map((state) => {
      const item = this.#items.get(state.id) ?? this.#makeItem(state.id);
      item.draw(state, lists);
      return item;
    });
    this.#keepFocus(rows.map((item) => item.element));
    if (!visible.some((item) => item.id === this.#current)) this.#current = visible[0]?.id ?? null;
    this.#setCurrent(this.#current);

    const hidden = there.length - visible.length;
    const empty = this.#find(".empty");
    empty.hidden = visible.length > 0;
    if (this.#showsArchive) setText(empty, "Nothing of this list is in the archive.");
    else if (hidden > 0) setText(empty, `All done. ${hidden} ${hidden === 1 ? "item is" : "items are"} out of sight.`);
    else setText(empty, "Nothing to do here.");
    this.#find("[data-new-item]").hidden = list.id === null || this.#showsArchive;
    this.#find("[data-hide-done]").setAttribute("aria-pressed", hideDone);
    this.#find("[data-archived]").setAttribute("aria-pressed", this.#showsArchive);
  }

  /** Arranges the rows. When the one with the focus goes, its neighbour gets it. */
  #keepFocus(rows) {
    const before = [...this.list.children];
    const at = before.findIndex((row) => row.contains(document.activeElement));
    arrange(this.list, rows);
    if (at < 0 || rows.includes(before[at])) return;
    const next = before.slice(at + 1).find((row) => rows.includes(row)) ?? rows.at(-1);
    (next ?? this.newItem).focus();
  }

  #makeItem(id) {
    const item = new Item(id, this);
    this.#items.set(id, item);
    return item;
  }

  /** Returns the rows that are shown. */
  rows() {
    return [...this.list.children].map((row) => this.#items.get(row.dataset.item));
  }

  /** Moves an item before another of the shown list, or to its end. */
  move(item, before) {
    return this.ask("move", { item, list: this.#list().id, before });
  }

  /** Tells whether the rows have an order that a person can change. */
  canMove() {
    return this.#list().id !== null && !this.#showsArchive;
  }

  /** Tells whether an item of the shown list can go to another. */
  canMoveTo(list) {
    return list !== NO_LIST && list !== this.#list().id;
  }
}
