// The lists of a device: a button for each, and what can be done with the one that is shown.

import { arrange, setText } from "./dom.js";

/** What stands for the list of those items whose list is gone. */
export const NO_LIST = "none";

export class Lists {
  #device;
  #find;
  #tabs = new Map();
  #shown;
  #store;

  constructor(device) {
    this.#device = device;
    this.#find = (selector) => device.element.querySelector(selector);
    // The browser's tab remembers which list it shows.
    this.#store = `${location.pathname}${device.name}`;
    this.#shown = sessionStorage.getItem(this.#store);
    this.#find("[data-new-list]").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add(event.target.querySelector("input"));
    });
    this.#find("[aria-label='Rename list']").addEventListener("click", () => this.#rename());
    this.#find("[aria-label='Delete list']").addEventListener("click", () => {
      device.ask("deleteList", { list: device.shown().id });
    });
  }

  /** Returns the list that is shown: the first, when the one that was is gone. */
  shown(lists) {
    return lists.find((list) => (list.id ?? NO_LIST) === this.#shown) ?? lists[0];
  }

  #show(id) {
    this.#shown = id;
    sessionStorage.setItem(this.#store, id);
    this.#device.draw();
  }

  async #add(input) {
    const added = await this.#device.ask("addList", { name: input.value });
    if (!added) return;
    input.value = "";
    this.#show(added[0]);
    this.#device.newItem.focus();
  }

  /** Turns the name of the shown list into a field. Enter and leaving it save, Escape takes it back. */
  #rename() {
    const { id, name } = this.#device.shown();
    const heading = this.#find("[data-list-name]");
    const input = this.#find("[data-list-input]");
    const close = () => {
      input.onblur = input.onkeydown = null;
      input.hidden = true;
      heading.hidden = false;
    };
    const save = () => {
      close();
      if (input.value.trim() !== "" && input.value !== name) this.#device.ask("renameList", { list: id, name: input.value });
    };
    heading.hidden = true;
    input.hidden = false;
    input.value = name;
    input.focus();
    input.select();
    input.onblur = save;
    input.onkeydown = (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") save();
      if (event.key === "Escape") close();
    };
  }

  draw(lists) {
    const shown = this.shown(lists);
    const tabs = lists.map((list) => {
      const tab = this.#tab(list.id ?? NO_LIST);
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

  /** Returns the button of a list. */
  #tab(id) {
    const known = this.#tabs.get(id);
    if (known) return known;
    const tab = document.createElement("button");
    tab.type = "button";
    tab.dataset.list = id;
    tab.addEventListener("click", () => this.#show(id));
    this.#tabs.set(id, tab);
    return tab;
  }
}
