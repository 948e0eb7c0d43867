// Moving an item with mouse, pen or finger.

/** Starts to drag a row by its handle. */
export function startDrag(event, device, item) {
  event.preventDefault();
}
