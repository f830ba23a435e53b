/**
 * The console after login: holds the board and what is selected, and passes news, keys and clicks on.
 *
 * Deliberately absent: anything that is drawn, and any rule; see `queue.js`, `detail.js`, `actions.js`, `map/`, `board.js`.
 */

import * as api from './api.js';
import * as time from './now.js';
import { Board } from './board.js';
import { Queue } from './queue.js';
import { Detail } from './detail.js';
import { Actions } from './actions.js';
import { Topbar, buildHelp } from './topbar.js';
import { Wearers } from './wearers.js';
import { WearerMap } from './map/map.js';
import { Stream } from './stream.js';
import { listen } from './keyboard.js';
import { UNHANDLED, ruleTitle, severityRank } from './words.js';
import { h, place } from './dom.js';
import { millis } from './time.js';

/** Where wearers were last seen is asked so often; in milliseconds. */
const POLL = 5000;
/** The roster and unreadable messages are asked so often while they are looked at; in milliseconds. */
const POLL_ROSTER = 15000;
/** A selection that stays so long is looked up and shown on the map; in milliseconds. */
const SETTLES = 180;
/** The track round an alert; in milliseconds. */
const HOUR = 3600000;
/** Critical alerts are announced at most so often; in milliseconds. */
const ANNOUNCE = 5000;

export class Console {
  /** @param {{name: string, agency: string, scope: string, simulated: boolean, replay: boolean}} session */
  constructor(session) {
    this.session = session;
    this.connection = 'connecting';
    this.health = null;
    this.selected = null;
    this.chosenWearer = null;
    this.histories = new Map();
    this.zoneNames = new Map();
    this.personNames = new Map();
    this.devices = [];
    this.view = 'queue';
    this.announced = { at: -Infinity, waiting: [] };
    this.parts();
    this.stream = new Stream({
      news: (_, item) => this.take(item), health: (health) => this.takeHealth(health), reset: () => this.reload(),
      state: (state) => { this.connection = state; this.wish(); }, refused: () => this.recheck(),
    });
  }

  parts() {
    const me = () => this.session.name;
    const zoneName = (id) => this.zoneNames.get(id) ?? id;
    const personName = (id) => this.personNames.get(id) ?? '';
    this.board = new Board(() => ({ me: me(), now: time.now(), names: (item) => `${zoneName(item.alert.zone) ?? ''} ${personName(item.alert.wearer)}` }));
    const toast = (text, wrong) => this.toast(text, wrong);
    this.topbar = new Topbar(place('topbar'), place('banner'), {
      session: this.session, show: (view) => this.show(view), help: () => place('help').showModal(), logOut: () => this.leave(), toast,
      speed: (factor) => time.setSpeed(factor),
    });
    this.queue = new Queue(place('queue'), { board: this.board, me, zoneName, personName, select: (id, how) => this.select(id, how) });
    this.map = new WearerMap(place('map'), { chosen: (wearer) => this.chooseWearer(wearer), personName });
    const mayAct = () => this.session.scope !== 'read' && !this.session.replay;
    this.detail = new Detail(place('detail'), { zoneName, personName, back: () => this.pane('queue'), mayAct, sendAgain: (number) => this.sendAgain(number) });
    this.actions = new Actions(this.detail.foot, {
      me, mayAct, current: () => this.current(), find: (id) => this.board.get(id),
      took: (item) => this.take(item), toast, done: () => this.queue.list.focus({ preventScroll: true }),
    });
    this.wearers = new Wearers(place('wearers'), { choose: (wearer) => this.chooseWearer(wearer), alertsOf: () => this.alertsOf() });
    buildHelp(place('help'));
    this.buildPanes();
    this.keys();
  }

  buildPanes() {
    const names = [['queue', 'Queue'], ['map', 'Map'], ['detail', 'Alert'], ['wearers', 'Wearers']];
    place('panes').replaceChildren(...names.map(([pane, title]) => h('button', {
      type: 'button', data: { pane }, on: { click: () => (pane === 'wearers' ? this.show('wearers') : pane === 'queue' ? this.show('queue') : this.pane(pane)) },
    }, title)));
  }

  keys() {
    listen({
      move: (step) => (this.view === 'wearers' ? this.wearers.move(step) : this.queue.move(step)),
      open: () => this.open(), back: () => this.back(), verb: (verb) => this.view === 'queue' && this.actions.verb(verb),
      filter: () => (this.view === 'wearers' ? this.wearers : this.queue).search.focus(),
      map: () => { this.pane('map'); this.map.focus(); }, help: () => place('help').showModal(),
      view: () => this.show(this.view === 'queue' ? 'wearers' : 'queue'),
      onMap: (target) => target instanceof Node && place('map').contains(target),
    });
  }

  async start() {
    this.show('queue');
    await this.reload();
    await this.openLinked();
    setInterval(() => { this.board.tick(time.now()); this.wish(); }, 1000);
    this.every(POLL, () => this.poll());
    this.every(POLL_ROSTER, () => this.view === 'wearers' && this.roster());
    await Promise.allSettled([this.loadMap(), this.loadZones(), this.poll(), this.roster()]);
    this.queue.list.focus({ preventScroll: true });
  }

  /** A notification links to its alert: `#alert=ID`. One that is closed is read on its own. */
  async openLinked() {
    const id = /[#&]alert=([A-Z0-9]+)/.exec(location.hash)?.[1];
    if (!id) return;
    history.replaceState(null, '', location.pathname + location.search);
    if (!this.board.get(id)) this.kept = await api.alert(id).catch((problem) => { this.toast(`${problem.message}.`, true); return null; });
    if (this.board.get(id) || this.kept) this.select(id, { open: true });
  }

  /** @param {number} ms @param {() => any} work */
  every(ms, work) {
    setInterval(() => { if (document.visibilityState === 'visible') Promise.resolve(work()).catch(() => {}); }, ms);
  }

  /** Reads the whole list, and listens from there. */
  async reload() {
    try {
      const { items, stream } = await api.alerts(UNHANDLED);
      this.board.load(items);
      this.histories.clear();
      this.stream.start(stream);
      if (this.selected && !this.board.get(this.selected)) this.select(null, { open: false });
      else if (this.selected) this.look(this.selected, false);
    } catch (problem) {
      if (problem.status === 401) return this.again();
      this.toast(`The queue can't be read: ${problem.message}. Trying again.`, true);
      setTimeout(() => this.reload(), 3000);
    }
    this.wish();
  }

  /** The stream was refused: perhaps the session is over. */
  async recheck() {
    try {
      await api.session();
    } catch (problem) {
      if (problem.status === 401) this.again();
    }
  }

  again() {
    this.stream.stop();
    location.reload();
  }

  async leave() {
    await api.logOut().catch(() => {});
    this.again();
  }

  async loadMap() {
    const { layers, attribution } = await api.baseMap();
    const loaded = await Promise.all(layers.map(async ({ kind, url }) => ({ kind, features: (await api.mapLayer(url)).features })));
    this.map.setGround(loaded, attribution);
  }

  async loadZones() {
    const zones = await api.zones();
    for (const { properties } of zones.features) this.zoneNames.set(String(properties.id), properties.name ?? String(properties.id));
    this.map.setZones(zones);
    this.wish();
  }

  async poll() {
    this.devices = await api.devices();
    this.map.setPeople(this.devices, new Map([...this.alertsOf()].map(([wearer, { worst }]) => [wearer, worst])));
  }

  async roster() {
    const [wearers, unreadable] = await Promise.all([api.wearers(), api.unreadable()]);
    for (const it of wearers) if (it.name && it.name !== it.id) this.personNames.set(it.id, it.name);
    this.wearers.set(wearers, this.devices);
    this.map.setBindings(wearers);
    this.wearers.setUnreadable(unreadable.items);
    this.wish();
  }

  /** @returns {Map<string, {count: number, worst: string}>} unhandled alerts of each wearer */
  alertsOf() {
    const sums = new Map();
    for (const { alert } of this.board.items.values()) {
      const sum = sums.get(alert.wearer) ?? { count: 0, worst: alert.severity };
      sum.count += 1;
      if (severityRank(alert.severity) < severityRank(sum.worst)) sum.worst = alert.severity;
      sums.set(alert.wearer, sum);
    }
    return sums;
  }

  /** News of an alert, from the stream or as the answer to a command. */
  take(news) {
    const { item, fresh } = this.board.put(news);
    if (fresh && item.alert.severity === 'critical' && item.alert.status !== 'ended') this.announce(item.alert);
    if (item.alert.id === this.selected) {
      this.kept = item;
      this.lookSoon(item.alert.id, false);
    }
    this.wish();
  }

  takeHealth(health) {
    this.health = health;
    time.set(health.now);
    this.wish();
  }

  /** Tells critical alerts to those who listen, not more often than one can follow. */
  announce(alert) {
    this.announced.waiting.push(`${ruleTitle(alert.rule)}: ${alert.summary}`);
    clearTimeout(this.announced.timer);
    const wait = Math.max(0, this.announced.at + ANNOUNCE - time.steady());
    this.announced.timer = setTimeout(() => {
      const { waiting } = this.announced;
      place('announcer').textContent = waiting.length === 1 ? `New critical alert. ${waiting[0]}` : `${waiting.length} new critical alerts. Last: ${waiting.at(-1)}`;
      this.announced = { at: time.steady(), waiting: [] };
    }, wait);
  }

  /** Draws once, soon. */
  wish() {
    if (this.wished) return;
    this.wished = true;
    requestAnimationFrame(() => { this.wished = false; this.draw(); });
  }

  draw() {
    this.queue.draw();
    const stale = this.topbar.draw({ connection: this.connection, health: this.health, silentMs: this.stream.silentFor(), unanswered: this.board.unanswered() });
    document.body.dataset.stale = String(stale);
    this.drawDetail();
    if (this.view === 'wearers') this.wearers.arrange();
    const { urgent } = this.board.counts();
    const title = stale ? '(!) Bailiwick: no connection' : urgent > 0 ? `(${urgent}) Bailiwick` : 'Bailiwick';
    if (document.title !== title) document.title = title;
  }

  drawDetail() {
    const item = this.current();
    if (item) {
      const history = this.histories.get(item.alert.id) ?? null;
      const key = `${item.alert.id} ${item.alert.revision} ${item.handling.version} ${history?.at} ${this.personNames.size} ${this.zoneNames.size} ${Math.floor(time.now() / 60000)}`;
      if (key !== this.drawnDetail) this.detail.show(item, history);
      this.drawnDetail = key;
      this.actions.draw();
    } else {
      this.drawnDetail = null;
      this.detail.nothing(this.board.counts(), this.map.people.silent(time.now()));
    }
  }

  /** @returns {import('./order.js').Item|null} */
  current() {
    if (this.selected === null) return null;
    const item = this.board.get(this.selected);
    if (item) this.kept = item;
    return item ?? (this.kept?.alert.id === this.selected ? this.kept : null);
  }

  /** Selects an alert. @param {string|null} id @param {{open: boolean}} how `open`: a click, not a step through the list */
  select(id, { open }) {
    const changed = id !== this.selected;
    this.selected = id;
    this.queue.setSelected(id);
    if (open && id) this.pane('detail');
    const item = this.current();
    if (changed && item) {
      this.map.select({ wearer: item.alert.wearer, zone: item.alert.zone });
      this.lookSoon(id, true);
    }
    this.wish();
  }

  lookSoon(id, fly) {
    const flies = fly || (this.looking?.id === id && this.looking.fly);
    clearTimeout(this.looking?.timer);
    this.looking = { id, fly: flies, timer: setTimeout(() => { this.looking = null; this.look(id, flies); }, SETTLES) };
  }

  /** Reads the history and the track of an alert. */
  async look(id, fly) {
    const alert = this.current()?.alert;
    if (alert?.id !== id) return;
    const { from, until } = this.hourOf(alert);
    const [history, points, deliveries] = await Promise.allSettled([api.alert(id), api.track(alert.wearer, from, until), api.deliveries(id)]);
    if (this.selected !== id) return;
    if (history.status === 'fulfilled') {
      this.histories.set(id, { ...history.value, deliveries: deliveries.value ?? [], at: time.steady() });
      if (this.board.get(id)) this.board.put(history.value);
    } else {
      this.toast(`The history can't be read: ${history.reason.message}.`, true);
    }
    if (points.status === 'fulfilled') this.map.show({ points: points.value, alert: this.board.get(id)?.alert ?? alert, from, until, wearer: alert.wearer, fly });
    this.wish();
  }

  /** Sends a dead letter about the selected alert again. @param {number} number */
  async sendAgain(number) {
    const id = this.selected;
    try {
      await api.sendAgain(id, number);
      this.toast('It is sent again.');
    } catch (problem) {
      this.toast(`It is not sent again: ${problem.message}.`, true);
    }
    this.lookSoon(id, false);
  }

  /** The last hour; for an older alert, the hour round its last revision. Tracks are read by when they were received. */
  hourOf(alert) {
    const present = time.now();
    const decided = millis(alert.decided_at);
    if (present - decided < HOUR / 4) return { from: present - HOUR, until: present };
    return { from: decided - HOUR * 0.75, until: decided + HOUR / 4 };
  }

  /** A wearer was chosen, on the map or in the table. */
  async chooseWearer(wearer) {
    if (this.view === 'queue') {
      const id = this.board.shown.find((it) => this.board.get(it)?.alert.wearer === wearer);
      if (id) return this.select(id, { open: true });
    }
    this.chosenWearer = wearer;
    this.wearers.setSelected(wearer);
    this.map.select({ wearer, zone: null });
    if (this.view === 'wearers' && matchMedia('(max-width: 900px)').matches) this.pane('map');
    const until = time.now();
    const points = await api.track(wearer, until - HOUR, until).catch(() => []);
    if (this.chosenWearer === wearer) this.map.show({ points, alert: null, from: until - HOUR, until, wearer, fly: true });
  }

  open() {
    if (this.view === 'wearers' || this.selected === null) return;
    this.pane('detail');
    place('detail').focus({ preventScroll: true });
    this.lookSoon(this.selected, true);
  }

  back() {
    if (this.actions.form) return this.actions.cancel();
    this.pane(this.view);
    (this.view === 'wearers' ? this.wearers.body : this.queue.list).focus({ preventScroll: true });
  }

  /** @param {'queue'|'wearers'} view */
  show(view) {
    this.view = view;
    document.body.dataset.view = view;
    place('wearers').hidden = view !== 'wearers';
    place('queue').hidden = view !== 'queue';
    this.topbar.setView(view);
    this.pane(view);
    if (view === 'wearers') this.roster().catch((problem) => this.toast(problem.message, true));
    this.wish();
  }

  /** The part that a narrow screen shows. @param {string} pane */
  pane(pane) {
    document.body.dataset.pane = pane;
    for (const button of place('panes').children) {
      if (button.dataset.pane === pane) button.setAttribute('aria-current', 'page');
      else button.removeAttribute('aria-current');
    }
  }

  toast(text, wrong = false) {
    const note = h('p', { class: wrong ? 'toast wrong' : 'toast' }, text);
    place('toasts').append(note);
    setTimeout(() => note.remove(), 6000);
  }
}
