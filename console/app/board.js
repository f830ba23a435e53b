/**
 * The live queue as a value: all unhandled alerts, which of them are drawn, and which wait to be drawn.
 *
 * While a person is about to click (the list is *held*), nothing that is drawn moves: news of a drawn alert changes its row
 * in place, what was closed stays as a shade, and what is new waits. `settle` takes it all in. Pure: no page, no clock.
 * Deliberately absent: rows and pixels (see `queue.js`), and closed alerts once they have left the list.
 */

import { comparator, key, merge, standing } from './order.js';
import { counts, everything, matches } from './filter.js';

/** @typedef {import('./order.js').Item} Item */

export class Board {
  /** @param {() => import('./filter.js').Context} context who looks, and when */
  constructor(context) {
    this.context = context;
    /** @type {Map<string, Item>} */
    this.items = new Map();
    /** @type {Map<string, import('./order.js').Key>} */
    this.keys = new Map();
    /** @type {string[]} what is drawn, from the top */
    this.shown = [];
    this.held = false;
    this.newestFirst = true;
    this.filter = everything();
    /** @type {Map<string, Item>} drawn, but closed or filtered away meanwhile */
    this.shades = new Map();
    /** What follows from the items, until they change: the list, the counts, who has waited longest. */
    this.cached = null;
    this.sums = null;
    this.longest = undefined;
    /** @type {Set<string>} alerts with a claim, which may lapse */
    this.claimed = new Set();
    this.ticked = -Infinity;
  }

  /** @returns {Item[]} what has climbed to the desk and nobody is on, oldest first */
  unanswered() {
    const { now } = this.context();
    return [...this.items.values()]
      .filter((it) => it.handling.escalated?.to === 'desk' && standing(it.handling, now).state === 'new')
      .sort((a, b) => (a.handling.escalated.at < b.handling.escalated.at ? -1 : 1));
  }

  /** Starts again with these items. @param {Iterable<Item>} items */
  load(items) {
    this.items.clear();
    this.keys.clear();
    this.claimed.clear();
    for (const item of items) this.put(item);
    this.settle();
  }

  /**
   * Takes news of an alert.
   * @param {Item} news @returns {{item: Item, fresh: boolean, before: Item|undefined}} `fresh`: it was not here before
   */
  put(news) {
    const { id } = news.alert;
    const before = this.items.get(id) ?? this.shades.get(id);
    const item = merge(before, news);
    this.stale();
    if (item.handling.claim) this.claimed.add(id);
    else this.claimed.delete(id);
    if (item.handling.state === 'closed') {
      if (this.items.delete(id) || this.shades.has(id)) this.shades.set(id, item);
      this.keys.delete(id);
      this.claimed.delete(id);
      return { item, fresh: false, before };
    }
    this.items.set(id, item);
    this.keys.set(id, key(item));
    return { item, fresh: !before, before };
  }

  /** @param {string} id @returns {Item|undefined} */
  get(id) {
    return this.items.get(id) ?? this.shades.get(id);
  }

  /** What the list would be now, were it not held. @returns {string[]} */
  wanted() {
    if (this.cached) return this.cached;
    const context = this.context();
    const keys = [];
    for (const [id, item] of this.items) {
      if (matches(this.filter, item, context)) keys.push(this.keys.get(id));
    }
    keys.sort(comparator(this.newestFirst));
    this.cached = keys.map((it) => it.id);
    return this.cached;
  }

  /** A filter, the order or an item has changed. */
  stale() {
    this.cached = null;
    this.sums = null;
    this.longest = undefined;
  }

  /** Time has passed: claims may have lapsed since. @param {number} now */
  tick(now) {
    const lapsed = [...this.claimed].some((id) => {
      const until = Date.parse(this.items.get(id).handling.claim.until);
      return until > this.ticked && until <= now;
    });
    this.ticked = now;
    if (lapsed) this.stale();
  }

  /** Draws what is wanted. */
  settle() {
    this.stale();
    this.shown = this.wanted();
    this.shades.clear();
  }

  /** Takes in what there is, unless somebody is about to click. @returns {boolean} whether the drawn list changed */
  breathe() {
    if (this.held) return false;
    const wanted = this.wanted();
    if (wanted === this.shown) return false;
    const moved = wanted.length !== this.shown.length || wanted.some((id, at) => id !== this.shown[at]);
    this.shown = wanted;
    this.shades.clear();
    return moved;
  }

  /** Alerts that wait to be drawn. @returns {string[]} */
  waiting() {
    if (!this.held) return [];
    const drawn = new Set(this.shown);
    return this.wanted().filter((id) => !drawn.has(id));
  }

  /** @param {string} id @returns {boolean} whether it is drawn only until the list settles */
  isShade(id) {
    return this.shades.has(id);
  }

  /** The drawn neighbour of an alert. @param {string|null} id @param {number} step @returns {string|null} */
  neighbour(id, step) {
    const at = id === null ? -1 : this.shown.indexOf(id);
    if (at < 0) return this.shown[step > 0 ? 0 : this.shown.length - 1] ?? null;
    return this.shown[Math.min(this.shown.length - 1, Math.max(0, at + step))];
  }

  /** @returns {ReturnType<typeof counts>} of all unhandled alerts */
  counts() {
    this.sums ??= counts(this.items.values(), this.context());
    return this.sums;
  }

  /** The unacknowledged alert of the worst severity that has waited longest. @returns {Item|null} */
  longestWaiting() {
    if (this.longest !== undefined) return this.longest;
    let worst = null;
    const before = comparator(false);
    for (const [id, item] of this.items) {
      if (item.handling.state !== 'acknowledged' && (!worst || before(this.keys.get(id), this.keys.get(worst)) < 0)) worst = id;
    }
    this.longest = worst ? this.items.get(worst) : null;
    return this.longest;
  }
}
