/**
 * The queue as people see it: heading, filters, windowed list, the pill of what waits.
 *
 * Draws a `Board`; all choices about order, holding and filters are there. Deliberately absent: acting on alerts, and the
 * list as a table: an alert is read downwards, three short lines.
 */

import { Windowed } from './windowed.js';
import { fill, h, mark, setText } from './dom.js';
import { standing } from './order.js';
import { everything, narrows } from './filter.js';
import { FAMILIES, SEVERITIES, UNHANDLED, ruleTitle } from './words.js';
import { handlingShort } from './sentence.js';
import { age } from './time.js';
import { now, steady } from './now.js';

/** Height of a row in pixels, as `queue.css` has it. */
const ROW = 78;
/** A pointer that has not moved for so long does not hold the list any more; in milliseconds. */
const POINTER_RESTS = 15000;
/** Keys hold the list for so long; in milliseconds. */
const KEYS_HOLD = 5000;
/** A click so soon after rows moved is not meant for the row under it; in milliseconds. */
const CLICK_GUARD = 350;

export class Queue {
  /**
   * @param {HTMLElement} element
   * @param {{board: import('./board.js').Board, me: () => string, zoneName: (id: string|null) => string,
   *   personName: (id: string) => string, select: (id: string, how: {open: boolean}) => void}} parts
   */
  constructor(element, parts) {
    this.parts = parts;
    this.board = parts.board;
    this.selected = null;
    /** Where in the list the selection is, or was. */
    this.at = 0;
    this.pointerAt = -Infinity;
    this.keysAt = -Infinity;
    this.movedAt = -Infinity;
    this.build(element);
  }

  build(element) {
    this.longest = h('p', { class: 'longest' });
    this.search = h('input', {
      type: 'search', id: 'queue-search', placeholder: 'Filter …', 'aria-label': 'Filter the queue', autocomplete: 'off',
      on: { input: () => this.filtered((filter) => { filter.text = this.search.value; }) },
    });
    this.order = h('select', { 'aria-label': 'Order within a severity', on: { change: () => this.reorder() } },
      h('option', { value: 'new' }, 'newest first'), h('option', { value: 'old' }, 'oldest first'));
    this.severityFilters = h('div', { class: 'filters', role: 'group', 'aria-label': 'Severity' });
    this.handlingFilters = h('div', { class: 'filters', role: 'group', 'aria-label': 'Handling' });
    this.family = h('select', { 'aria-label': 'Rule family', on: { change: () => this.filtered((filter) => { filter.family = new Set(this.family.value ? [this.family.value] : []); }) } });
    this.count = h('span', { class: 'count' });
    this.clear = h('button', { class: 'clear', type: 'button', hidden: true, on: { click: () => this.clearFilter() } }, 'Show all');
    this.list = h('div', {
      class: 'list', id: 'queue-list', role: 'listbox', tabindex: '0', 'aria-label': 'Unhandled alerts, worst first',
      on: { pointermove: () => { this.pointerAt = steady(); }, pointerleave: () => { this.pointerAt = -Infinity; }, click: (event) => this.clicked(event) },
    });
    this.pill = h('button', { class: 'pill', type: 'button', hidden: true, on: { click: () => this.toTop() } });
    this.empty = h('div', { class: 'empty', hidden: true });
    fill(element, [
      h('div', { class: 'head' },
        h('div', { class: 'title' }, h('h2', {}, 'Alerts'), this.count, this.clear, this.longest),
        h('div', { class: 'search' }, this.search, this.family, this.order),
        this.severityFilters, this.handlingFilters),
      h('div', { class: 'listed' }, this.pill, this.list, this.empty),
    ]);
    this.makeFilters();
    this.rows = new Windowed(this.list, { height: ROW, make: () => this.makeRow(), show: (row, index) => this.showRow(row, index) });
  }

  makeFilters() {
    const toggle = (kind, value) => this.filtered((filter) => {
      if (!filter[kind].delete(value)) filter[kind].add(value);
    });
    const button = (kind, value, title, sign) => {
      const number = h('b', {});
      return h('button', { class: 'filter', type: 'button', data: { kind, value }, on: { click: () => toggle(kind, value) } }, sign, title, number);
    };
    fill(this.severityFilters, SEVERITIES.slice(0, 4).map((it) => button('severity', it, it, mark(it))));
    fill(this.handlingFilters, [
      UNHANDLED.map((it) => button('handling', it, it)),
      h('button', { class: 'filter', type: 'button', data: { kind: 'mine' }, on: { click: () => this.filtered((filter) => { filter.mine = !filter.mine; }) } }, 'mine', h('b', {})),
    ]);
    fill(this.family, [h('option', { value: '' }, 'all rules'), FAMILIES.map((it) => h('option', { value: it.id }, it.title))]);
  }

  /** @param {(filter: import('./filter.js').Filter) => void} change */
  filtered(change) {
    change(this.board.filter);
    this.board.settle();
    this.list.scrollTop = 0;
    this.draw();
  }

  clearFilter() {
    this.search.value = '';
    this.family.value = '';
    this.board.filter = everything();
    this.filtered(() => {});
    this.list.focus();
  }

  reorder() {
    this.board.newestFirst = this.order.value === 'new';
    this.filtered(() => {});
  }

  makeRow() {
    const parts = {
      severity: h('span', { class: 'severity' }), rule: h('span', { class: 'rule' }), age: h('span', { class: 'age' }),
      status: h('span', { class: 'status' }), whom: h('span', { class: 'whom' }), handling: h('span', { class: 'handling' }),
      grade: h('span', { class: 'grade' }), summary: h('span', { class: 'summary' }), code: h('span', { class: 'code mono' }),
    };
    const row = h('div', { class: 'row', role: 'option' }, Object.values(parts));
    row.parts = parts;
    return row;
  }

  /** @param {HTMLElement} row @param {number} index */
  showRow(row, index) {
    const id = this.board.shown[index];
    const item = this.board.get(id);
    if (!item) return;
    const handling = standing(item.handling, now());
    if (row.dataset.alert !== id) {
      row.dataset.alert = id;
      row.id = `alert-${id}`;
    }
    row.setAttribute('aria-posinset', String(index + 1));
    row.setAttribute('aria-setsize', String(this.board.shown.length));
    row.setAttribute('aria-selected', String(id === this.selected));
    this.tell(row, item, handling);
  }

  tell(row, { alert }, handling) {
    const { parts } = row;
    const me = this.parts.me();
    row.dataset.severity = alert.severity;
    row.dataset.quiet = String(handling.state === 'acknowledged' || alert.status === 'ended');
    row.dataset.shade = String(this.board.isShade(alert.id));
    if (parts.severity.dataset.severity !== alert.severity) {
      parts.severity.dataset.severity = alert.severity;
      fill(parts.severity, [mark(alert.severity), alert.severity]);
    }
    setText(parts.rule, ruleTitle(alert.rule));
    setText(parts.age, age(now() - Date.parse(alert.start)));
    parts.status.dataset.status = alert.status;
    setText(parts.status, alert.status);
    setText(parts.grade, alert.grade);
    setText(parts.summary, alert.summary);
    if (row.title !== alert.summary) row.title = alert.summary;
    setText(parts.code, alert.code);
    this.tellWhom(parts.whom, alert);
    const short = handlingShort(handling, me);
    if (parts.handling.textContent !== short) fill(parts.handling, [h('span', { class: 'chip' }, short)]);
    const chip = parts.handling.firstChild;
    chip.dataset.state = handling.state;
    chip.dataset.mine = String(handling.claim?.by === me);
  }

  tellWhom(element, alert) {
    const zone = alert.zone ? this.parts.zoneName(alert.zone) : alert.obligation;
    const text = [this.parts.personName(alert.wearer), zone].filter(Boolean).join(' · ');
    const key = `${alert.wearer} ${text}`;
    if (element.dataset.key === key) return;
    element.dataset.key = key;
    fill(element, [alert.wearer, h('i', {}, ` ${text}`)]);
  }

  /** Takes in what is new if nobody is about to click, and draws. */
  draw() {
    this.board.held = this.isHeld();
    const anchor = this.selected === null ? -1 : this.board.shown.indexOf(this.selected);
    const offset = anchor * ROW - this.list.scrollTop;
    if (this.board.breathe()) {
      this.movedAt = steady();
      this.rows.setLength(this.board.shown.length);
      const at = this.selected === null ? -1 : this.board.shown.indexOf(this.selected);
      if (this.list.scrollTop > 0 && anchor >= 0 && at >= 0) this.list.scrollTop = at * ROW - offset;
    }
    this.rows.setLength(this.board.shown.length);
    this.rows.refresh();
    this.drawHead();
    this.drawPill();
  }

  isHeld() {
    if (this.list.scrollTop > 4) return true;
    return steady() - this.pointerAt < POINTER_RESTS || steady() - this.keysAt < KEYS_HOLD;
  }

  drawHead() {
    const sums = this.board.counts();
    const { filter } = this.board;
    const of = narrows(filter) ? `${this.board.shown.length} of ${sums.all}` : String(sums.all);
    setText(this.count, of);
    for (const button of this.list.closest('.queue').querySelectorAll('.filter[data-kind]')) {
      const { kind, value } = button.dataset;
      const number = kind === 'mine' ? sums.mine : (sums[kind][value] ?? 0);
      setText(button.lastChild, String(number));
      button.dataset.none = String(number === 0);
      button.setAttribute('aria-pressed', String(kind === 'mine' ? filter.mine : filter[kind].has(value)));
    }
    for (const option of this.family.options) {
      const number = sums.family[option.value] ?? 0;
      const { title } = FAMILIES.find((it) => it.id === option.value) ?? {};
      if (title) setText(option, `${title} (${number})`);
    }
    this.clear.hidden = !narrows(filter);
    const waits = this.board.longestWaiting();
    setText(this.longest, waits ? `longest ${waits.alert.severity} waits ${age(now() - Date.parse(waits.alert.start))}` : '');
    this.drawEmpty(sums.all);
  }

  drawEmpty(all) {
    this.empty.hidden = this.board.shown.length > 0;
    this.list.hidden = !this.empty.hidden;
    if (this.empty.hidden) return;
    const text = all === 0
      ? [h('b', {}, 'No unhandled alert'), 'New ones appear here by themselves.']
      : [h('b', {}, 'No alert matches the filter'), h('button', { class: 'button small', type: 'button', on: { click: () => this.clearFilter() } }, 'Show all')];
    if (this.empty.textContent !== text.map((it) => it.textContent ?? it).join('')) fill(this.empty, text);
  }

  drawPill() {
    const waiting = this.board.waiting();
    this.pill.hidden = waiting.length === 0;
    if (this.pill.hidden) return;
    const critical = waiting.filter((id) => this.board.get(id)?.alert.severity === 'critical').length;
    setText(this.pill, critical > 0 ? `${waiting.length} new, ${critical} critical` : `${waiting.length} new`);
  }

  toTop() {
    this.pointerAt = -Infinity;
    this.keysAt = -Infinity;
    this.board.settle();
    this.list.scrollTop = 0;
    this.draw();
    this.list.focus({ preventScroll: true });
  }

  clicked(event) {
    const row = event.target.closest('.row');
    if (!row || steady() - this.movedAt < CLICK_GUARD) return;
    this.parts.select(row.dataset.alert, { open: true });
  }

  /** Moves the selection. @param {number} step */
  move(step) {
    this.keysAt = steady();
    const { shown } = this.board;
    const gone = this.selected !== null && !shown.includes(this.selected);
    // What was closed has left the list: the next one stands in its place.
    const id = gone ? (shown[Math.max(0, Math.min(this.at + Math.min(0, step), shown.length - 1))] ?? null) : this.board.neighbour(this.selected, step);
    if (id !== null) this.parts.select(id, { open: false });
  }

  /** @param {string|null} id */
  setSelected(id) {
    this.selected = id;
    if (id === null) this.list.removeAttribute('aria-activedescendant');
    else this.list.setAttribute('aria-activedescendant', `alert-${id}`);
    const at = this.board.shown.indexOf(id);
    if (at >= 0) this.at = at;
    this.rows.reveal(at);
    this.rows.refresh();
  }
}
