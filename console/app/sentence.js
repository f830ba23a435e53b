/**
 * What the page says about an alert in whole sentences: evidence, handling, what changed, health.
 *
 * Pure: values of the wire and the present in, text out. A sentence of the service itself (summary, refusal, trouble) is
 * shown as it stands. Deliberately absent: elements of the page.
 */

import { dispositionTitle, revisionTitle, troubleTitle } from './words.js';
import { age, clock, clockShort, millis, span } from './time.js';

/** @typedef {import('./order.js').Item} Item */
/** @typedef {import('./order.js').Alert} Alert */
/** @typedef {import('./order.js').Handling} Handling */

/** @param {number} metres @returns {string} as fine as it helps */
export function metres(metres) {
  const size = Math.abs(metres);
  if (size >= 10000) return `${(size / 1000).toFixed(0)} km`;
  if (size >= 1000) return `${(size / 1000).toFixed(1)} km`;
  return size >= 10 ? `${size.toFixed(0)} m` : `${size.toFixed(1)} m`;
}

/** @param {number} probability @returns {string} never certain: the service rounds, and no fix is */
export function percent(probability) {
  const value = probability * 100;
  if (value > 99.9) return 'more than 99.9 %';
  if (value < 0.1) return 'less than 0.1 %';
  return `${value.toFixed(1)} %`;
}

/** @param {number} count @param {string} one @param {string} [many] */
const several = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** @param {Alert} alert @returns {string} where the last fix lies, to which edge */
function lies({ rule, reason }) {
  const side = reason.distance_m <= 0 ? 'inside' : 'outside';
  const edge = rule === 'zone.buffer' ? 'the outer edge of the warning ring' : 'the boundary';
  return `The last fix lies ${metres(reason.distance_m)} ${side} ${edge}`;
}

/** @param {Alert} alert @returns {string} the evidence in one sentence */
export function evidence(alert) {
  const { reason } = alert;
  const reports = reason.reports.length;
  if (reason.distance_m !== null) {
    const accuracy = reason.accuracy_m === null ? '' : `, accurate to ${metres(reason.accuracy_m)}`;
    const odds = reason.probability === null ? '' : `: ${percent(reason.probability)} likely to be inside`;
    return `${lies(alert)}${accuracy}${odds}; ${several(reports, 'report speaks', 'reports speak')} for it.`;
  }
  const silence = reason.parameters.contact_silence_s;
  if (silence !== undefined) return `Nothing came for longer than the ${span(silence * 1000)} that are allowed for this wearer.`;
  const limit = Object.entries(reason.parameters).find(([name]) => name.startsWith('power_'));
  if (limit) return `${reason.notes.join(', ')}; the limit is ${limit[1]} %.`.replace(/^c/, 'C');
  if (reports > 0) return `${several(reports, 'report says', 'reports say')} so.`;
  return `It follows from a deadline: ${alert.anchor.replace(/^deadline /, '')}.`;
}

/**
 * The parameters of a decision, readable: the unit ends the name.
 * @param {Record<string, number>} parameters @returns {Array<[string, string]>}
 */
export function parameters(parameters) {
  const units = [
    ['_s', (value) => span(value * 1000)],
    ['_percent', (value) => `${value} %`],
    ['_pct', (value) => `${value} %`],
    ['_mps', (value) => `${value} m/s`],
    ['_m', (value) => metres(value)],
    ['_probability', (value) => String(value), 'probability'],
  ];
  return Object.entries(parameters).map(([name, value]) => {
    const unit = units.find(([ending]) => name.endsWith(ending));
    const stem = unit && unit[0] !== '_probability' ? name.slice(0, -unit[0].length) : name;
    return [stem.replace(/_/g, ' '), unit ? unit[1](value) : String(value)];
  });
}

/** @param {Handling} handling standing now @param {string} me @returns {string} where the handling stands, for a row */
export function handlingShort(handling, me) {
  const name = (by) => (by === me ? 'you' : by);
  if (handling.state === 'closed') return `Closed · ${name(handling.closed.by)}`;
  if (handling.claim) return `Claimed · ${name(handling.claim.by)}`;
  if (handling.state === 'acknowledged') return `Seen · ${name(handling.acknowledged.by)}`;
  return 'New';
}

/** @param {Handling} handling standing now @param {string} me @param {string} [zone] @returns {string} */
export function handlingSentence(handling, me, zone) {
  const name = (by) => (by === me ? 'you' : by);
  const time = (at) => clockShort(millis(at), zone);
  if (handling.state === 'closed') {
    return `Closed by ${name(handling.closed.by)} at ${time(handling.closed.at)}: ${dispositionTitle(handling.disposition).toLowerCase()}.`;
  }
  const said = [];
  if (handling.claim) said.push(`Claimed by ${name(handling.claim.by)} since ${time(handling.claim.since)}`);
  if (handling.acknowledged) said.push(`acknowledged by ${name(handling.acknowledged.by)} at ${time(handling.acknowledged.at)}`);
  if (said.length === 0) return 'New: nobody has taken it up.';
  const text = said.join(', ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const DONE = { claim: 'claimed', release: 'released', acknowledge: 'acknowledged', note: 'noted', close: 'closed' };
const CLIMBED = { unacknowledged: 'Nobody acknowledged', nobody_to_tell: 'Nobody to tell', undelivered: 'Not delivered' };

/** @param {string} to `desk` or `officer/ID` @returns {string} whom it is */
export const receiver = (to) => (to === 'desk' ? 'the desk' : to.replace(/^officer\//, 'officer '));

/** @param {{command: string, disposition: string|null, to?: string, why?: string}} entry @returns {string} what was done */
export function entryTitle(entry) {
  if (entry.command === 'escalate') return `${CLIMBED[entry.why] ?? 'Escalated'}: to ${receiver(entry.to)}`;
  const done = DONE[entry.command] ?? entry.command;
  const text = entry.disposition ? `${done} as ${dispositionTitle(entry.disposition).toLowerCase()}` : done;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * One timeline of what the engine found and what people did, newest first. Claims that only renew one another are one line,
 * and so are mere repetitions.
 * @param {Alert[]} revisions @param {any[]} entries
 * @returns {Array<{at: string, title: string, who: string|null, text: string|null, times: number, kind: 'revision'|'entry'}>}
 */
export function timeline(revisions, entries) {
  const lines = [
    ...revisions.map((it) => ({
      at: it.decided_at, title: revisionTitle(it.revision_kind), who: null, text: it.summary, times: 1, kind: 'revision',
      again: it.revision_kind === 'repeated',
    })),
    ...entries.map((it) => ({
      at: it.at, title: entryTitle(it), who: it.actor, text: it.note, times: 1, kind: 'entry', again: it.command === 'claim',
    })),
  ].sort((a, b) => millis(a.at) - millis(b.at));
  const told = [];
  for (const line of lines) {
    const last = told.at(-1);
    if (last?.again && line.again && last.title === line.title && last.who === line.who) {
      last.times += 1;
      last.until = line.at;
    } else {
      told.push(line);
    }
  }
  return told.reverse().map(({ again: _, ...line }) => line);
}

/**
 * What others did while a person looked.
 * @param {Item} before @param {Item} after @param {string} me @param {number} now @returns {string[]} sentences, none if nothing changed
 */
export function differences(before, after, me, now) {
  const said = [];
  const [was, is] = [before.handling, after.handling];
  const name = (by) => (by === me ? 'You' : by);
  if (is.closed && !was.closed) said.push(`${name(is.closed.by)} closed it as ${dispositionTitle(is.disposition).toLowerCase()} at ${clock(millis(is.closed.at))}.`);
  else if (is.acknowledged && !was.acknowledged) said.push(`${name(is.acknowledged.by)} acknowledged it at ${clock(millis(is.acknowledged.at))}.`);
  if (is.claim && is.claim.by !== was.claim?.by) said.push(`${name(is.claim.by)} claimed it ${age(now - millis(is.claim.since))} ago.`);
  if (!is.claim && was.claim && !is.closed) said.push(`The claim of ${was.claim.by} is over.`);
  if (after.alert.status !== before.alert.status) said.push(`The condition is ${after.alert.status} now.`);
  if (after.alert.severity !== before.alert.severity) said.push(`The severity is ${after.alert.severity} now.`);
  if (said.length === 0 && is.version !== was.version) said.push('Something was noted on it.');
  return said;
}

const CHANNELS = { mqtt: 'topic', push: 'phone', email: 'mail' };

/** @param {string} channel @returns {string} the way by which something was sent */
export const channelTitle = (channel) => CHANNELS[channel] ?? channel.replace(/^webhook\//, 'webhook ');

/** Why a delivery stands as it does, in a few words; none where its state says it all. */
function why(it, last) {
  if (it.state === 'accepted' && last?.outcome === 'accepted_by_broker') return 'by the broker; whether anybody reads there is not known';
  if (it.state === 'accepted' || it.state === 'answered') return '';
  if (last?.outcome === 'sent_again') return `sent again by ${last.actor}`;
  return last?.reason || last?.outcome.replaceAll('_', ' ') || '';
}

/**
 * What was sent about an alert: for each receiver and channel how its newest revision stands, and how many came before.
 * @param {any[]} deliveries oldest first
 * @returns {Array<{to: string, channel: string, state: string, at: string, tries: number, reason: string, revision: number, number: number}>}
 */
export function told(deliveries) {
  const newest = new Map();
  for (const it of deliveries) newest.set(`${it.to} ${it.channel}`, it);
  return [...newest.values()].map((it) => {
    const last = it.attempts.at(-1);
    return {
      to: it.to, channel: it.channel, state: it.state, at: it.settled_at ?? last?.at ?? it.created_at,
      tries: it.attempts.filter((one) => one.outcome !== 'sent_again').length, reason: why(it, last), revision: it.revision, number: it.number,
    };
  });
}

/**
 * What the banner says of alerts that have climbed to the desk.
 * @param {Item[]} items @returns {string|null}
 */
export function unanswered(items) {
  if (items.length === 0) return null;
  const codes = items.slice(0, 3).map((it) => it.alert.code).join(', ');
  const more = items.length > 3 ? ` and ${items.length - 3} more` : '';
  return `Nobody has acknowledged ${items.length === 1 ? 'an alert' : `${items.length} alerts`} in time: ${codes}${more}. Whoever is at the desk takes ${items.length === 1 ? 'it' : 'them'} up now.`;
}

/** @param {{kind: string, detail: string, since: string}} trouble @param {number} now @returns {string} */
export function trouble(trouble, now) {
  const detail = trouble.detail ? `: ${trouble.detail}` : '';
  return `${troubleTitle(trouble.kind)}${detail} (for ${age(now - millis(trouble.since))}).`.replace('..', '.');
}

/** Limits after which the age of what is seen is doubtful, and bad; in milliseconds. */
export const FRESH = { silentDoubtful: 8000, silentBad: 12000, lagDoubtful: 5000, lagBad: 30000, dryDoubtful: 60000, dryBad: 300000 };

/**
 * How old the picture is, and how much that matters.
 * @param {{now: number, receivedAt: number, lagMs: number, silentMs: number}} signs `silentMs`: since the service last said anything
 * @returns {{age: number, grade: 'good'|'doubtful'|'bad', text: string}}
 */
export function freshness({ now, receivedAt, lagMs, silentMs }) {
  const dry = Number.isFinite(receivedAt) ? Math.max(0, now - receivedAt) : NaN;
  const bad = silentMs > FRESH.silentBad || lagMs > FRESH.lagBad || dry > FRESH.dryBad;
  const doubtful = silentMs > FRESH.silentDoubtful || lagMs > FRESH.lagDoubtful || dry > FRESH.dryDoubtful;
  const late = lagMs > FRESH.lagDoubtful ? `${age(lagMs)} behind` : `data ${age(dry)} old`;
  const text = Number.isFinite(dry) ? late : 'no data yet';
  return { age: dry, grade: bad ? 'bad' : doubtful ? 'doubtful' : 'good', text };
}
