// Moving an item with mouse, pen or finger: within its list, or onto another list's button.

/** How near to the edge the list begins to scroll, and how far in a frame. */
const EDGE = 56;
const SCROLL_STEP = 9;

/** Starts to drag a row by its handle. */
export function startDrag(event, device, item) {
  if (event.button !== 0 || !device.canMove()) return;
  event.preventDefault();
  new Drag(event, device, item);
}

class Drag {
  #device;
  #item;
  #row;
  /** All rows, where each began, and which of them is dragged. */
  #rows;
  #centres;
  #from;
  #to;
  /** The button of the list over which the pointer is. */
  #tab = null;
  #scroller;
  #start;
  #pointer;
  #frame;
  #end = new AbortController();

  constructor(event, device, item) {
    this.#device = device;
    this.#item = item;
    this.#row = item.element;
    this.#rows = [...device.list.children];
    this.#centres = this.#rows.map((row) => row.offsetTop + row.offsetHeight / 2);
    this.#from = this.#to = this.#rows.indexOf(this.#row);
    const body = device.element.querySelector(".body");
    this.#scroller = getComputedStyle(body).overflowY === "auto" ? body : document.scrollingElement;
    this.#pointer = { x: event.clientX, y: event.clientY };
    this.#start = { y: event.clientY, scroll: this.#scroller.scrollTop };

    device.setDragging(true);
    this.#row.focus({ preventScroll: true });
    this.#row.classList.add("dragging");
    device.element.classList.add("sorting");
    const handle = event.currentTarget;
    handle.setPointerCapture(event.pointerId);
    const on = (target, type, act) => target.addEventListener(type, act, { signal: this.#end.signal, capture: true });
    on(handle, "pointermove", (event) => this.#follow({ x: event.clientX, y: event.clientY }));
    on(handle, "pointerup", () => this.#finish(true));
    on(handle, "pointercancel", () => this.#finish(false));
    on(handle, "lostpointercapture", () => this.#finish(false));
    on(document, "keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.#finish(false);
    });
    this.#scroll();
  }

  #follow(pointer) {
    this.#pointer = pointer;
    const under = document.elementFromPoint(pointer.x, pointer.y)?.closest("[data-list]");
    const isTarget = under && this.#device.element.contains(under) && this.#device.canMoveTo(under.dataset.list);
    this.#setTab(isTarget ? under : null);

    const by = pointer.y - this.#start.y + this.#scroller.scrollTop - this.#start.scroll;
    const height = this.#row.offsetHeight;
    const centre = this.#centres[this.#from] + by;
    const others = this.#centres.filter((_, at) => at !== this.#from);
    this.#to = this.#tab ? this.#from : others.filter((other) => other < centre).length;
    this.#row.style.transform = `translateY(${by}px)`;
    this.#rows.forEach((row, at) => {
      if (row === this.#row) return;
      const goesUp = at > this.#from && at <= this.#to;
      const goesDown = at < this.#from && at >= this.#to;
      row.style.transform = goesUp ? `translateY(${-height}px)` : goesDown ? `translateY(${height}px)` : "";
    });
  }

  #setTab(tab) {
    this.#tab?.classList.remove("target");
    this.#tab = tab;
    tab?.classList.add("target");
    this.#row.classList.toggle("leaving", tab !== null);
  }

  /** Scrolls while the pointer is near an edge. */
  #scroll() {
    const isPage = this.#scroller === document.scrollingElement;
    const { top, bottom } = isPage ? { top: 0, bottom: innerHeight } : this.#scroller.getBoundingClientRect();
    const before = this.#scroller.scrollTop;
    if (this.#pointer.y < top + EDGE) this.#scroller.scrollTop -= SCROLL_STEP;
    if (this.#pointer.y > bottom - EDGE) this.#scroller.scrollTop += SCROLL_STEP;
    if (this.#scroller.scrollTop !== before) this.#follow(this.#pointer);
    this.#frame = requestAnimationFrame(() => this.#scroll());
  }

  async #finish(isDropped) {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    cancelAnimationFrame(this.#frame);
    const tab = this.#tab;
    this.#setTab(null);
    this.#row.classList.remove("dragging");
    this.#device.element.classList.remove("sorting");
    for (const row of this.#rows) row.style.transform = "";

    if (isDropped && tab) await this.#device.ask("move", { item: this.#item.id, list: tab.dataset.list, before: null });
    else if (isDropped && this.#to !== this.#from) await this.#drop();
    this.#device.setDragging(false);
  }

  /** Puts the row where it was dropped; the program confirms that, or the next drawing takes it back. */
  #drop() {
    const others = this.#rows.filter((row) => row !== this.#row);
    const next = others[this.#to] ?? null;
    this.#device.list.insertBefore(this.#row, next);
    this.#row.focus({ preventScroll: true });
    return this.#device.move(this.#item.id, next?.dataset.item ?? null);
  }
}
