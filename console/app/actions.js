/**
 * What can be done about the selected alert: claim or release, acknowledge, note, close.
 *
 * Every command names the version of the handling that the person saw. Where that has changed meanwhile (412) the page says
 * what and by whom, and asks again; a refusal of the desk (409) is shown in its own sentence. Claims made here are renewed
 * while somebody works at this page. Deliberately absent: rules of what is allowed; the desk decides.
 */

import { fill, h, keycap } from './dom.js';
import { onlyRenewed, standing } from './order.js';
import { differences, handlingSentence } from './sentence.js';
import { DISPOSITIONS } from './words.js';
import { readable } from './time.js';
import { now, steady } from './now.js';
import * as api from './api.js';

/** Claims are renewed so often; in milliseconds. A claim holds for 120 s. */
export const RENEW = 30000;
/** Claims are renewed while there was input within so long; in milliseconds. */
const AT_WORK = 10 * 60000;

export class Actions {
  /**
   * @param {HTMLElement} foot
   * @param {{me: () => string, mayAct: () => boolean, current: () => import('./order.js').Item|null, find: (id: string) => import('./order.js').Item|undefined,
   *   took: (item: import('./order.js').Item) => void, toast: (text: string, wrong?: boolean) => void, done: () => void}} parts
   */
  constructor(foot, parts) {
    this.foot = foot;
    this.parts = parts;
    /** @type {'note'|'close'|null} */
    this.form = null;
    this.notice = null;
    this.busy = false;
    this.drawnFor = '';
    /** @type {import('./order.js').Item|null} what the person saw */
    this.seen = null;
    this.mine = new Set();
    this.inputAt = steady();
    for (const kind of ['pointerdown', 'keydown']) document.addEventListener(kind, () => { this.inputAt = steady(); }, { capture: true, passive: true });
    setInterval(() => this.renew(), RENEW);
  }

  /** Shows what can be done now. */
  draw() {
    const item = this.parts.current();
    this.foot.hidden = item === null;
    if (!item) return;
    if (this.seen?.alert.id !== item.alert.id) this.begin(item);
    else this.notices(item);
    const handling = standing(item.handling, now());
    const key = JSON.stringify([item.alert.id, item.alert.status, handling, this.form, this.notice, this.busy]);
    if (key === this.drawnFor) return;
    const typing = this.form !== null && this.foot.contains(document.activeElement);
    this.drawnFor = key;
    this.build(item, handling, typing);
  }

  begin(item) {
    this.seen = item;
    this.form = null;
    this.notice = null;
  }

  /** While somebody writes, what others do is told, not only shown. */
  notices(item) {
    const changed = differences(this.seen, item, this.parts.me(), now());
    const byOthers = item.handling.version !== this.seen.handling.version && ![item.handling.claim?.by, item.handling.acknowledged?.by, item.handling.closed?.by].every((by) => !by || by === this.parts.me());
    if (this.form && changed.length > 0 && byOthers) this.notice = { texts: changed, again: null, wrong: false };
    this.seen = item;
  }

  build(item, handling, typing) {
    const words = this.form && !typing ? null : this.foot.querySelector('textarea')?.value;
    const chosen = this.foot.querySelector('select')?.value;
    fill(this.foot, [
      h('p', { class: 'where' }, handlingSentence(handling, this.parts.me())),
      this.notice && this.buildNotice(),
      this.form ? this.buildForm(item) : this.buildVerbs(item, handling),
    ]);
    if (!this.form) return;
    const area = this.foot.querySelector('textarea');
    const select = this.foot.querySelector('select');
    if (words) area.value = words;
    if (chosen && select) select.value = chosen;
    (select && !chosen ? select : area).focus();
  }

  buildNotice() {
    const { texts, again, wrong } = this.notice;
    const leave = () => { this.notice = null; this.draw(); };
    return h('div', { class: wrong ? 'changed wrong' : 'changed', role: 'alert' }, texts.map((text) => h('p', {}, text)),
      h('div', { class: 'ends' },
        again && h('button', { class: 'button small', type: 'button', on: { click: () => { this.notice = null; again(); } } }, 'Do it all the same'),
        h('button', { class: 'button small bare', type: 'button', on: { click: leave } }, 'Understood')));
  }

  buildVerbs(item, handling) {
    const closed = handling.state === 'closed';
    const may = this.parts.mayAct() && !closed && !this.busy;
    const held = handling.claim?.by === this.parts.me();
    const button = (title, key, act, { loud = false, off = false } = {}) =>
      h('button', { class: loud ? 'button loud' : 'button', type: 'button', disabled: !may || off, data: { verb: title.toLowerCase() }, on: { click: act } }, title, keycap(key));
    const hint = this.parts.mayAct() ? null : h('p', { class: 'where' }, 'You look on: this session may not act.');
    return [h('div', { class: 'verbs', role: 'group', 'aria-label': 'Actions' },
      button(held ? 'Release' : 'Claim', 'c', () => this.verb('claim'), { loud: !held && handling.state === 'new' }),
      button('Acknowledge', 'a', () => this.verb('acknowledge'), { loud: held && !handling.acknowledged, off: Boolean(handling.acknowledged) }),
      button('Note', 'n', () => this.verb('note')),
      button('Close', 'x', () => this.verb('close'), { loud: Boolean(handling.acknowledged) })), hint];
  }

  buildForm(item) {
    const closing = this.form === 'close';
    const needed = !closing || item.alert.status === 'open';
    const area = h('textarea', { name: 'note', maxlength: 4000, required: needed, 'aria-label': 'Note', placeholder: closing ? 'What was found, and how' : 'What you did or learnt' });
    const send = (event) => {
      event.preventDefault();
      const note = area.value.trim() === '' ? undefined : area.value.trim();
      const disposition = this.foot.querySelector('select')?.value;
      this.send(this.form, closing ? { disposition, note } : { note });
    };
    const keys = (event) => {
      if (event.key === 'Escape') { event.stopPropagation(); this.cancel(); }
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
    };
    return h('form', { on: { submit: send, keydown: keys } },
      closing && h('label', {}, 'Finding', h('select', { name: 'disposition', required: true }, h('option', { value: '' }, 'Choose …'),
        DISPOSITIONS.map((it) => h('option', { value: it.id }, `${it.title} – ${it.hint}`)))),
      h('label', {}, closing && !needed ? 'Note (optional)' : 'Note', area),
      h('div', { class: 'ends' },
        h('span', { class: 'hint' }, closing && needed ? 'The condition stands: say why you close now.' : 'Ctrl+Enter sends'),
        h('button', { class: 'button bare', type: 'button', on: { click: () => this.cancel() } }, 'Cancel'),
        h('button', { class: 'button loud', disabled: this.busy }, closing ? 'Close the alert' : 'Add the note')));
  }

  cancel() {
    this.form = null;
    this.notice = null;
    this.draw();
    this.parts.done();
  }

  /** A verb by key or button. @param {'claim'|'acknowledge'|'note'|'close'} verb */
  verb(verb) {
    const item = this.parts.current();
    if (!item || this.busy) return;
    if (!this.parts.mayAct()) return void this.parts.toast('You look on: this session may not act.', true);
    const handling = standing(item.handling, now());
    if (handling.state === 'closed') return void this.parts.toast('It is closed, and that is final.', true);
    if (verb === 'note' || verb === 'close') {
      this.form = verb;
      this.notice = null;
      this.draw();
    } else if (verb === 'claim' && handling.claim?.by === this.parts.me()) {
      this.send('release');
    } else {
      this.send(verb);
    }
  }

  /** @param {string} verb @param {any} [body] */
  async send(verb, body) {
    const item = this.parts.current();
    if (!item || this.busy) return;
    this.busy = true;
    try {
      const answer = await api.act(item.alert.id, verb, item.handling.version, body);
      if (verb === 'claim') this.mine.add(item.alert.id);
      if (verb === 'release') this.mine.delete(item.alert.id);
      this.seen = answer;
      this.form = null;
      this.notice = null;
      this.parts.took(answer);
      if (body) this.parts.done();
    } catch (problem) {
      await this.failed(problem, item, verb, body);
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  async failed(problem, item, verb, body) {
    if (problem.status !== 412) {
      const text = readable(problem.message, now());
      this.notice = { texts: [`Not done: ${text}${/[.!?]$/.test(text) ? '' : '.'}`], again: null, wrong: true };
      return;
    }
    const latest = await this.latest(problem, item.alert.id);
    const changed = latest ? differences(item, latest, this.parts.me(), now()) : [];
    if (latest) {
      this.seen = latest;
      this.parts.took(latest);
      if (onlyRenewed(item.handling, latest.handling, this.parts.me())) return void setTimeout(() => this.send(verb, body));
    }
    this.notice = { texts: ['Not done, because it changed while you looked:', ...changed], again: () => this.send(verb, body), wrong: false };
  }

  async latest(problem, id) {
    const given = problem.body.item ?? problem.body.current;
    if (given?.handling) return given;
    try {
      return await api.alert(id);
    } catch {
      return null;
    }
  }

  /** Renews the claims made at this page, while somebody works at it. */
  async renew() {
    if (steady() - this.inputAt > AT_WORK || document.visibilityState === 'hidden') return;
    for (const id of this.mine) {
      const item = this.parts.find(id);
      const handling = item && standing(item.handling, now());
      if (handling?.claim?.by !== this.parts.me()) this.mine.delete(id);
      else await api.act(id, 'claim', item.handling.version).then((answer) => this.parts.took(answer)).catch(() => {});
    }
  }
}
