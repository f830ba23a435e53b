/**
 * The top bar and the banner: who we are, how fresh the picture is, what troubles the service.
 *
 * The banner takes the full width and names each trouble in a sentence; a dead connection is one. Deliberately absent: any
 * way to close the banner while its reason stands.
 */

import { fill, h, keycap, setText } from './dom.js';
import { clock, zoneName } from './time.js';
import { freshness, trouble, unanswered } from './sentence.js';
import { now } from './now.js';
import * as api from './api.js';

const CONNECTION = {
  connecting: { text: 'connecting', grade: 'doubtful' },
  live: { text: 'live', grade: 'good' },
  dead: { text: 'no connection', grade: 'bad' },
};

/** Speeds that a replay offers. */
const SPEEDS = [1, 10, 60, 300, 3600];

export class Topbar {
  /**
   * @param {HTMLElement} bar @param {HTMLElement} banner
   * @param {{session: any, show: (view: string) => void, help: () => void, logOut: () => void, speed: (factor: number) => void, toast: (text: string) => void}} parts
   */
  constructor(bar, banner, parts) {
    this.parts = parts;
    this.banner = banner;
    this.said = '';
    this.build(bar);
  }

  build(bar) {
    const { session } = this.parts;
    const sign = (title) => h('span', { class: 'sign', title }, h('span', { class: 'dot' }), h('span', {}));
    this.link = sign('The live connection to the service');
    this.data = sign('How long ago the newest report on this page was received');
    this.time = h('span', { class: 'time', title: 'The time of the service, on the clock of this place' });
    const tab = (view, title) => h('button', { type: 'button', data: { view }, on: { click: () => this.parts.show(view) } }, title);
    this.tabs = h('nav', { class: 'tabs', 'aria-label': 'Views' }, tab('queue', 'Queue'), tab('wearers', 'Wearers'));
    fill(bar, [
      h('h1', { class: 'brand' }, h('img', { src: '/assets/mark.svg', alt: '', width: 22, height: 22 }), 'Bailiwick'),
      h('span', { class: 'agency', title: 'Agency' }, session.agency),
      this.tabs,
      session.simulated && h('span', { class: 'badge', title: 'The people and events on this page are simulated' }, 'SIMULATED'),
      session.rehearsal && h('span', { class: 'badge', title: 'A rehearsal: nobody is notified' }, 'REHEARSAL'),
      session.replay && this.replayBar(),
      h('span', { class: 'push' }),
      h('div', { class: 'signs' }, this.link, this.data, this.time),
      h('div', { class: 'who' },
        h('b', { title: `May ${session.scope}` }, session.name), session.scope === 'read' && h('span', { class: 'scope' }, 'looks on'),
        h('button', { class: 'help-key', type: 'button', title: 'Keys and words (?)', 'aria-label': 'Help', on: { click: () => this.parts.help() } }, '?'),
        h('button', { type: 'button', on: { click: () => this.parts.logOut() } }, 'Log out')),
    ]);
  }

  replayBar() {
    this.pause = h('button', { type: 'button', on: { click: () => this.wish({ paused: !this.replay?.paused }) } }, 'Pause');
    this.speed = h('select', { 'aria-label': 'Speed of the replay', on: { change: () => this.wish({ speed: Number(this.speed.value) }) } },
      SPEEDS.map((it) => h('option', { value: it }, `${it}×`)));
    api.replay().then((state) => this.replayIs(state)).catch(() => {});
    return h('div', { class: 'replay-bar', role: 'group', 'aria-label': 'Replay' }, h('span', { class: 'badge replay' }, 'REPLAY'), this.pause, this.speed);
  }

  /** @param {{paused?: boolean, speed?: number}} change */
  async wish(change) {
    const wish = { paused: this.replay?.paused ?? false, speed: this.replay?.speed ?? 1, ...change };
    try {
      const answer = await api.setReplay(wish);
      this.replayIs(answer ?? wish);
    } catch (problem) {
      this.parts.toast(problem.message);
    }
  }

  replayIs(state) {
    this.replay = state;
    setText(this.pause, state.paused ? 'Go on' : 'Pause');
    if (!SPEEDS.includes(state.speed)) this.speed.append(h('option', { value: state.speed }, `${state.speed}×`));
    this.speed.value = String(state.speed);
    this.parts.speed(state.paused ? 0 : state.speed);
  }

  /** @param {string} view */
  setView(view) {
    for (const tab of this.tabs.children) {
      if (tab.dataset.view === view) tab.setAttribute('aria-current', 'page');
      else tab.removeAttribute('aria-current');
    }
  }

  /**
   * @param {{connection: 'connecting'|'live'|'dead', health: any, silentMs: number, unanswered: import('./order.js').Item[]}} signs
   * @returns {boolean} whether the picture is too old to be trusted
   */
  draw({ connection, health, silentMs, unanswered: waiting }) {
    const present = now();
    const link = CONNECTION[connection];
    this.link.dataset.grade = link.grade;
    setText(this.link.lastChild, link.text);
    // A replay runs at its own speed: there the age counts between what the service told, not until now.
    const told = this.parts.session.replay ? Date.parse(health?.now ?? '') : present;
    const fresh = freshness({ now: told, receivedAt: Date.parse(health?.received_at ?? ''), lagMs: health?.lag_ms ?? 0, silentMs });
    this.data.dataset.grade = fresh.grade;
    setText(this.data.lastChild, fresh.text);
    const time = `${clock(present)} ${zoneName(present)}`;
    if (this.told !== time) fill(this.time, [clock(present), h('span', {}, zoneName(present))]);
    this.told = time;
    this.drawBanner(connection, health, silentMs, present, waiting);
    return connection === 'dead';
  }

  drawBanner(connection, health, silentMs, present, waiting) {
    const sentences = [];
    if (connection === 'dead') {
      const since = clock(present - silentMs);
      sentences.push(`The connection to the service is dead: this page shows how things stood at ${since}. New alerts are not seen here. Trying again.`);
    }
    const climbed = unanswered(waiting);
    if (climbed) sentences.push(climbed);
    const troubles = health?.troubles ?? [];
    sentences.push(...troubles.map((it) => trouble(it, present)));
    if (health && health.status !== 'ok' && troubles.length === 0) sentences.push(`The service says that it is ${health.status}.`);
    const bad = connection === 'dead' || health?.status === 'down' || health?.ready === false;
    this.banner.hidden = sentences.length === 0;
    this.banner.dataset.grade = bad ? 'bad' : 'doubtful';
    const said = sentences.join('\n');
    if (said !== this.said) fill(this.banner, sentences.map((text) => h('p', {}, h('span', {}, text))));
    this.said = said;
  }
}

/** The overlay of keys and words. @param {HTMLDialogElement} dialog */
export function buildHelp(dialog) {
  const rows = (pairs) => pairs.map(([keys, text]) => [h('dt', {}, keys.split(' ').map((key) => [keycap(key), ' '])), h('dd', {}, text)]);
  const words = (pairs) => pairs.map(([word, text]) => [h('dt', {}, h('b', {}, word)), h('dd', {}, text)]);
  fill(dialog, [h('div', {},
    h('h2', { id: 'help-title' }, 'Keys and words'),
    h('div', { class: 'columns' },
      h('dl', {}, rows([['j ↓', 'next alert'], ['k ↑', 'previous alert'], ['Enter', 'open: to its detail'], ['Esc', 'back to the queue'], ['/', 'filter'], ['m', 'to the map; + and − zoom']])),
      h('dl', {}, rows([['c', 'claim, or release'], ['a', 'acknowledge'], ['n', 'write a note'], ['x', 'close with a finding'], ['w', 'queue or wearers'], ['?', 'this overlay']]))),
    h('dl', { class: 'words' }, words([
      ['claim', '“I am on it.” Lapses two minutes after nobody works at this page.'],
      ['acknowledge', '“I have seen it.” It does not mean that it is solved.'],
      ['close', 'Ends the handling with a finding. Final.'],
      ['provisional', 'The first sufficient evidence; later fixes confirm or contradict it.'],
      ['unknown', 'Evidence stopped. The condition has not ended; nobody knows.'],
    ])),
    h('form', { method: 'dialog' }, h('button', { class: 'button', autofocus: true }, 'Done')))]);
}
