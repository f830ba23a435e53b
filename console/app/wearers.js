/**
 * The view of wearers, and of messages that could not be read.
 *
 * A table in which a choice shows the wearer on the map. Deliberately absent: changing the roster, and the bytes of
 * unreadable messages.
 */

import { Windowed } from './windowed.js';
import { fill, h, mark, setText } from './dom.js';
import { riskTitle, severityRank } from './words.js';
import { age, millis } from './time.js';
import { now } from './now.js';
import { SILENT } from './map/people.js';

/** Height of a row in pixels, as `wearers.css` has it. */
const ROW = 44;
const RISKS = ['low', 'medium', 'high', 'very_high'];
/** Battery charge from which it is worth a look; percent. */
const LOW = 30;

/**
 * @typedef {{id: string, name: string, risk: string, officer: string|null, device: string|null, contactAt: number, battery: number|null,
 *   charging: boolean, strap: string|null, alerts: number, worst: string|null}} Person
 */

/** @type {Array<{id: string, title: string, of: (person: Person) => any, down?: boolean}>} */
const COLUMNS = [
  { id: 'name', title: 'Wearer', of: (it) => it.id },
  { id: 'risk', title: 'Risk', of: (it) => RISKS.indexOf(it.risk), down: true },
  { id: 'device', title: 'Device', of: (it) => it.device ?? '' },
  { id: 'contact', title: 'Last contact', of: (it) => it.contactAt || 0 },
  { id: 'battery', title: 'Battery', of: (it) => it.battery ?? 101 },
  { id: 'strap', title: 'Strap', of: (it) => (it.strap === 'closed' ? 1 : it.strap ? 0 : 2) },
  { id: 'alerts', title: 'Unhandled', of: (it) => (it.worst ? 100000 * (9 - severityRank(it.worst)) : 0) + it.alerts, down: true },
];

/** @param {any} given a wearer of the service @param {any|undefined} seen its device as last seen @returns {Person} */
function person(given, seen) {
  const device = seen ?? given.devices[0];
  return {
    id: given.id, name: given.name && given.name !== given.id ? given.name : '', risk: given.risk, officer: given.officer && `${given.officer.id} ${given.officer.name}`,
    device: device?.device ?? given.activated[0] ?? null, contactAt: millis(device?.contact_at ?? given.contact_at),
    battery: device?.battery_pct ?? null, charging: device?.charging ?? false, strap: device?.strap ?? null, alerts: 0, worst: null,
  };
}

export class Wearers {
  /** @param {HTMLElement} element @param {{choose: (wearer: string) => void, alertsOf: () => Map<string, {count: number, worst: string}>}} parts */
  constructor(element, parts) {
    this.parts = parts;
    this.people = [];
    this.rows = [];
    this.selected = null;
    this.sort = { id: 'alerts', down: true };
    this.build(element);
  }

  build(element) {
    this.count = h('span', {});
    this.search = h('input', { type: 'search', id: 'wearer-search', placeholder: 'Filter by wearer, device, officer …', 'aria-label': 'Filter wearers', on: { input: () => this.arrange() } });
    const head = COLUMNS.map((column) => h('button', { type: 'button', data: { column: column.id }, on: { click: () => this.sortBy(column) } }, column.title));
    this.columns = h('div', { class: 'columns', role: 'group', 'aria-label': 'Order of the table' }, head);
    this.body = h('div', { class: 'body', role: 'listbox', tabindex: '0', 'aria-label': 'Wearers', on: { click: (event) => this.clicked(event) } });
    this.unread = h('details', { class: 'unreadable', hidden: true });
    fill(element, [h('div', { class: 'head' }, h('h2', {}, 'Wearers', this.count), this.search), h('div', { class: 'table' }, this.columns, this.body), this.unread]);
    this.list = new Windowed(this.body, { height: ROW, make: () => this.makeRow(), show: (row, index) => this.showRow(row, index) });
  }

  /** @param {any[]} wearers @param {any[]} devices */
  set(wearers, devices) {
    const seen = new Map(devices.filter((it) => it.wearer).map((it) => [it.wearer, it]));
    this.people = wearers.map((it) => person(it, seen.get(it.id)));
    this.arrange();
  }

  sortBy(column) {
    const down = this.sort.id === column.id ? !this.sort.down : Boolean(column.down);
    this.sort = { id: column.id, down };
    this.body.scrollTop = 0;
    this.arrange();
  }

  arrange() {
    const alerts = this.parts.alertsOf();
    for (const it of this.people) {
      it.alerts = alerts.get(it.id)?.count ?? 0;
      it.worst = alerts.get(it.id)?.worst ?? null;
    }
    const words = this.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const text = (it) => [it.id, it.name, it.device, it.officer].join(' ').toLowerCase();
    const { of } = COLUMNS.find((it) => it.id === this.sort.id);
    const sign = this.sort.down ? -1 : 1;
    this.rows = this.people.filter((it) => words.every((word) => text(it).includes(word)))
      .sort((a, b) => (of(a) < of(b) ? -sign : of(a) > of(b) ? sign : a.id < b.id ? -1 : 1));
    setText(this.count, this.rows.length === this.people.length ? String(this.people.length) : `${this.rows.length} of ${this.people.length}`);
    for (const button of this.columns.children) {
      if (button.dataset.column === this.sort.id) button.setAttribute('aria-sort', this.sort.down ? 'descending' : 'ascending');
      else button.removeAttribute('aria-sort');
    }
    this.list.setLength(this.rows.length);
    this.list.refresh();
  }

  makeRow() {
    const parts = Object.fromEntries(COLUMNS.map(({ id }) => [id, h('span', { class: id === 'contact' ? 'contact' : id })]));
    const row = h('div', { class: 'person-row', role: 'option' }, Object.values(parts));
    row.parts = parts;
    return row;
  }

  showRow(row, index) {
    const it = this.rows[index];
    if (!it) return;
    const { parts } = row;
    row.dataset.wearer = it.id;
    row.id = `wearer-${it.id}`;
    row.setAttribute('aria-selected', String(it.id === this.selected));
    row.setAttribute('aria-posinset', String(index + 1));
    row.setAttribute('aria-setsize', String(this.rows.length));
    if (parts.name.textContent !== it.id + it.name) fill(parts.name, [h('b', {}, it.id), h('span', {}, it.name)]);
    setText(parts.risk, riskTitle(it.risk));
    parts.risk.dataset.doubt = String(it.risk === 'very_high');
    setText(parts.device, it.device ?? 'none');
    setText(parts.contact, Number.isFinite(it.contactAt) ? `${age(now() - it.contactAt)} ago` : 'never');
    parts.contact.dataset.doubt = String(!(now() - it.contactAt <= SILENT));
    setText(parts.battery, it.battery === null ? '–' : `${it.battery} %${it.charging ? ' ⚡' : ''}`);
    parts.battery.dataset.doubt = String(it.battery !== null && it.battery <= LOW && !it.charging);
    setText(parts.strap, it.strap ?? '–');
    parts.strap.dataset.bad = String(it.strap === 'cut' || it.strap === 'open');
    const alerts = it.alerts === 0 ? 'none' : `${it.alerts} (${it.worst})`;
    if (parts.alerts.textContent !== alerts) fill(parts.alerts, it.alerts === 0 ? [h('span', { class: 'none' }, 'none')] : [mark(it.worst), alerts]);
  }

  clicked(event) {
    const row = event.target.closest('.person-row');
    if (row) this.parts.choose(row.dataset.wearer);
  }

  /** Moves the choice. @param {number} step */
  move(step) {
    const at = this.rows.findIndex((it) => it.id === this.selected);
    const next = at < 0 ? 0 : Math.min(this.rows.length - 1, Math.max(0, at + step));
    if (this.rows[next]) this.parts.choose(this.rows[next].id);
  }

  /** @param {string|null} wearer */
  setSelected(wearer) {
    this.selected = wearer;
    if (wearer) this.body.setAttribute('aria-activedescendant', `wearer-${wearer}`);
    this.list.reveal(this.rows.findIndex((it) => it.id === wearer));
    this.list.refresh();
  }

  /** @param {Array<{count: number, device: string|null, received_at: string, topic: string, length: number, problem: string}>} items */
  setUnreadable(items) {
    this.unread.hidden = items.length === 0;
    const sum = items.reduce((all, it) => all + it.count, 0);
    const { open } = this.unread;
    fill(this.unread, [h('summary', {}, 'Unreadable messages', h('span', {}, `${sum} from ${items.length} ${items.length === 1 ? 'sender' : 'senders'}`)),
      h('ul', {}, items.map((it) => h('li', {}, h('b', {}, it.device ?? 'unknown device'),
        h('span', { title: it.topic }, `${it.problem} (${it.length} bytes)`),
        h('span', {}, `${it.count} times, last ${age(now() - millis(it.received_at))} ago`))))]);
    this.unread.open = open;
  }
}
