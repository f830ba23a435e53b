/**
 * A long list of which only the rows in sight are elements: 10,000 rows cost what 20 do.
 *
 * All rows have one height. Elements are kept and filled anew. Deliberately absent: what a row shows, and which rows there
 * are; the owner fills a row by its index.
 */

import { h } from './dom.js';

/** Rows beyond the edge, so that scrolling never shows a gap. */
const SPARE = 4;

/** A row that is out of sight stands for nothing. @param {HTMLElement} row */
function forget(row) {
  row.removeAttribute('id');
  for (const name of Object.keys(row.dataset)) delete row.dataset[name];
}

export class Windowed {
  /**
   * @param {HTMLElement} scroller what scrolls
   * @param {{height: number, make: () => HTMLElement, show: (row: HTMLElement, index: number) => void}} rows
   */
  constructor(scroller, { height, make, show }) {
    this.scroller = scroller;
    this.height = height;
    this.make = make;
    this.show = show;
    this.length = 0;
    this.pool = [];
    this.tall = h('div', { class: 'tall', role: 'presentation' });
    scroller.append(this.tall);
    scroller.addEventListener('scroll', () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(scroller);
  }

  /** @param {number} length how many rows there are */
  setLength(length) {
    if (length === this.length) return;
    this.length = length;
    this.tall.style.height = `${length * this.height}px`;
  }

  /** Fills the rows in sight. */
  refresh() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.height) - SPARE);
    const room = Math.ceil(this.scroller.clientHeight / this.height) + 2 * SPARE;
    const last = Math.min(this.length, first + room);
    while (this.pool.length < last - first) {
      const row = this.make();
      this.pool.push(row);
      this.tall.append(row);
    }
    // A row keeps its element while it is in sight, so that a click begun on it ends on it.
    const size = this.pool.length;
    for (let slot = 0; slot < size; slot += 1) {
      const row = this.pool[slot];
      const index = first + ((((slot - first) % size) + size) % size);
      row.hidden = index >= last;
      if (row.hidden) {
        forget(row);
        continue;
      }
      row.style.transform = `translateY(${index * this.height}px)`;
      this.show(row, index);
    }
  }

  /** Brings a row into sight, no further than needed. @param {number} index */
  reveal(index) {
    if (index < 0) return;
    const [top, bottom] = [index * this.height, (index + 1) * this.height];
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.scroller.scrollTop = bottom - clientHeight;
  }
}
