/**
 * The selected alert: what is said, why, since when, what was done.
 *
 * Shows an item at once as the queue has it, and its history when that has come. Every moment is on this place's wall clock,
 * with the exact UTC in its title. Deliberately absent: acting (see `actions.js`) and the map.
 */

import { fill, h, keycap, mark } from './dom.js';
import { channelTitle, evidence, metres, parameters, percent, receiver, timeline, told } from './sentence.js';
import { SEVERITIES, ruleTitle } from './words.js';
import { age, millis, moment, readable, span } from './time.js';
import { now } from './now.js';

/** @param {string|null} at @param {boolean} [fine] @returns {HTMLElement} a moment with its exact time in the title */
export function timeOf(at, fine = false) {
  return h('time', { datetime: at, title: at }, moment(at, now(), { fine }));
}

export class Detail {
  /**
   * @param {HTMLElement} element
   * @param {{zoneName: (id: string) => string, personName: (id: string) => string, back: () => void, mayAct: () => boolean,
   *   sendAgain: (number: number) => void}} parts
   */
  constructor(element, parts) {
    this.element = element;
    this.parts = parts;
    this.scroll = h('div', { class: 'scroll' });
    this.foot = h('div', { class: 'actions', hidden: true });
    this.shown = null;
    this.nothing();
  }

  /**
   * Nothing is selected: the situation at a glance.
   * @param {ReturnType<import('./filter.js').counts>|null} [sums] @param {number} [silent] wearers who have not been heard
   */
  nothing(sums = null, silent = 0) {
    const key = JSON.stringify([sums, silent]);
    if (this.shown === null && key === this.glanced) return;
    this.shown = null;
    this.glanced = key;
    const most = Math.max(1, ...SEVERITIES.map((it) => sums?.severity[it] ?? 0));
    fill(this.element, [h('div', { class: 'glance' },
      h('h2', {}, 'At a glance'),
      sums && h('ul', { class: 'bars' }, SEVERITIES.filter((it) => it !== 'info' || sums.severity.info).map((it) => this.bar(it, sums.severity[it] ?? 0, most))),
      sums && h('dl', { class: 'pairs' },
        h('dt', {}, 'Not taken up'), h('dd', {}, String(sums.handling.new ?? 0)), h('dt', {}, 'Claimed'), h('dd', {}, String(sums.handling.claimed ?? 0)),
        h('dt', {}, 'Acknowledged'), h('dd', {}, String(sums.handling.acknowledged ?? 0)), h('dt', {}, 'Not heard'), h('dd', {}, `${silent} ${silent === 1 ? 'wearer' : 'wearers'}`)),
      h('p', { class: 'hint' }, 'Choose an alert, or move with ', keycap('j'), ' and ', keycap('k'), '. ', keycap('?'), ' shows all keys.'))]);
  }

  bar(severity, count, most) {
    const fillOf = h('span', { class: 'fill', data: { severity } });
    fillOf.style.width = `${(100 * count) / most}%`;
    return h('li', {}, h('span', { class: 'severity', data: { severity } }, mark(severity), severity), h('span', { class: 'track' }, fillOf), h('b', {}, String(count)));
  }

  /**
   * @param {import('./order.js').Item} item
   * @param {{revisions: any[], entries: any[], deliveries: any[]}|null} history null while it is on its way
   */
  show(item, history) {
    if (this.shown === null) this.element.replaceChildren(this.scroll, this.foot);
    const { alert } = item;
    const open = this.scroll.querySelector('details')?.open ?? false;
    const { scrollTop } = this.scroll;
    fill(this.scroll, [this.head(alert), this.says(alert), this.facts(alert), this.clocks(alert), this.basis(alert, open), this.told(history), this.history(history)]);
    if (this.shown === alert.id) this.scroll.scrollTop = scrollTop;
    else this.scroll.scrollTop = 0;
    this.shown = alert.id;
  }

  head(alert) {
    const zone = alert.zone ? this.parts.zoneName(alert.zone) : alert.obligation;
    const name = this.parts.personName(alert.wearer);
    return h('div', { class: 'head' },
      h('div', { class: 'topline' },
        h('button', { class: 'button small back', type: 'button', on: { click: () => this.parts.back() } }, '‹ Queue'),
        h('span', { class: 'severity', data: { severity: alert.severity } }, mark(alert.severity), alert.severity),
        h('span', { class: 'status', data: { status: alert.status } }, alert.status),
        h('span', { class: 'chip' }, alert.grade),
        alert.simulated && h('span', { class: 'chip' }, 'simulated'),
        h('span', { class: 'code mono', title: alert.id }, alert.code)),
      h('h2', {}, ruleTitle(alert.rule)),
      h('p', { class: 'whom' }, h('b', {}, alert.wearer), name && ` ${name}`, zone && ` · ${zone}`));
  }

  says(alert) {
    const { blind } = alert.reason;
    const notes = alert.reason.notes.map((note) => h('li', {}, readable(note, now())));
    if (blind) notes.push(h('li', {}, `We could not receive from ${moment(blind.from, now())} until ${moment(blind.until, now())}.`));
    return h('div', { class: 'says' },
      h('p', {}, `${readable(alert.summary, now())}.`.replace(/\.\.$/, '.')),
      h('p', {}, readable(evidence(alert), now())),
      notes.length > 0 && h('ul', { class: 'notes' }, notes));
  }

  facts(alert) {
    const { reason } = alert;
    if (reason.distance_m === null) return null;
    const fact = (title, value, more) => h('div', {}, h('dt', {}, title), h('dd', {}, value, more && h('small', {}, ` ${more}`)));
    return h('dl', { class: 'facts' },
      fact(alert.rule === 'zone.buffer' ? 'Within the ring' : 'To the boundary', metres(reason.distance_m), reason.distance_m <= 0 ? 'inside' : 'outside'),
      fact('Accuracy', reason.accuracy_m === null ? 'unknown' : `± ${metres(reason.accuracy_m)}`),
      fact('Likely inside', reason.probability === null ? '–' : percent(reason.probability).replace('more than', '>').replace('less than', '<')));
  }

  clocks(alert) {
    const lasted = alert.end ? span(millis(alert.end) - millis(alert.start)) : `${age(now() - millis(alert.start))}, still going on`;
    const late = millis(alert.received_at) - millis(alert.occurred_at);
    const end = alert.status === 'unknown' ? `${age(now() - millis(alert.start))}, then not known` : lasted;
    return h('section', {}, h('h3', {}, 'Three clocks'), h('dl', { class: 'pairs' },
      h('dt', {}, 'Occurred'), h('dd', {}, timeOf(alert.occurred_at, true)),
      h('dt', {}, 'Received'), h('dd', {}, timeOf(alert.received_at, true), late > 60000 && ` · ${span(late)} later`),
      h('dt', {}, 'Decided'), h('dd', {}, timeOf(alert.decided_at, true)),
      h('dt', {}, 'Episode'), h('dd', {}, 'from ', timeOf(alert.start), alert.end && [' to ', timeOf(alert.end)], ` · ${end}`)));
  }

  basis(alert, open) {
    const { reason } = alert;
    const pair = (title, value) => value && [h('dt', {}, title), h('dd', {}, value)];
    const mono = (text) => text && h('span', { class: 'mono' }, text);
    return h('details', { open }, h('summary', {}, 'What the decision rests on'), h('dl', { class: 'pairs' },
      pair('Rule', [alert.rule, ' ', mono(reason.rule_version)]),
      pair('Zone', alert.zone && [alert.zone, ' ', mono(reason.zone_version)]),
      pair('Reports', reason.reports.length > 0 && reason.reports.map((it) => [mono(it), h('br')])),
      parameters(reason.parameters).map(([name, value]) => pair(name.charAt(0).toUpperCase() + name.slice(1), value)),
      pair('Device', alert.device), pair('Officer', alert.officer), pair('Obligation', alert.obligation),
      pair('Reported again', alert.repeats > 0 && `${alert.repeats} times`),
      pair('First raised by', mono(alert.anchor)), pair('Identity', mono(alert.id)), pair('Revision', String(alert.revision))));
  }

  told(history) {
    if (!history?.deliveries?.length) return null;
    const again = (it) => it.state === 'dead' && this.parts.mayAct()
      && h('button', { class: 'button small', type: 'button', title: 'Try this channel again', on: { click: () => this.parts.sendAgain(it.number) } }, 'Send again');
    const line = (it) => h('li', { data: { state: it.state } },
      h('span', {}, `${receiver(it.to).replace(/^the desk$/, 'desk')} · ${channelTitle(it.channel)}`),
      h('b', { title: it.tries > 1 ? `${it.tries} attempts, revision ${it.revision}` : `Revision ${it.revision}` }, it.state),
      timeOf(it.at), it.reason && h('small', {}, it.reason), again(it));
    return h('section', {}, h('h3', {}, 'Told'), h('ul', { class: 'told' }, told(history.deliveries).map(line)));
  }

  history(history) {
    if (!history) return h('section', {}, h('h3', {}, 'History'), h('p', { class: 'whom' }, 'Loading …'));
    const line = (it) => h('li', { data: { kind: it.kind } },
      h('div', { class: 'what' }, h('b', {}, it.title), it.who && h('span', {}, `by ${it.who}`), it.times > 1 && h('span', { class: 'chip' }, `${it.times} times`), timeOf(it.at)),
      it.text && h('p', { class: it.kind === 'entry' ? 'note' : null }, readable(it.text, now())));
    return h('section', {}, h('h3', {}, 'History'), h('ol', { class: 'timeline' }, timeline(history.revisions, history.entries).map(line)));
  }
}
