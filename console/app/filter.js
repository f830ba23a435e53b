/**
 * Which alerts the queue shows, and how many there are of each kind.
 *
 * Pure. An empty set of a kind means: all of it. Deliberately absent: asking the service; the queue holds all unhandled
 * alerts, so that filters answer at once and counts are true.
 */

import { ruleFamily, ruleTitle } from './words.js';
import { standing } from './order.js';

/**
 * @typedef {import('./order.js').Item} Item
 * @typedef {{severity: Set<string>, handling: Set<string>, family: Set<string>, mine: boolean, text: string}} Filter
 * @typedef {{me: string, now: number, names?: (item: Item) => string}} Context `names`: further words to search in
 */

/** @returns {Filter} everything */
export function everything() {
  return { severity: new Set(), handling: new Set(), family: new Set(), mine: false, text: '' };
}

/** @param {Filter} filter @returns {boolean} whether it leaves anything out */
export function narrows(filter) {
  return filter.severity.size + filter.handling.size + filter.family.size > 0 || filter.mine || filter.text.trim() !== '';
}

/** @param {Set<string>} wanted @param {string} value */
const among = (wanted, value) => wanted.size === 0 || wanted.has(value);

/** @param {Item} item @param {Context} context @returns {boolean} whether it is this person's work */
export function isMine(item, { me, now }) {
  const handling = standing(item.handling, now);
  return handling.claim?.by === me || (!handling.claim && handling.acknowledged?.by === me);
}

/** @param {Item} item @param {string} text @param {Context} context */
function speaksOf(item, text, context) {
  if (text === '') return true;
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const { alert } = item;
  const all = [alert.code, alert.wearer, alert.device, alert.zone, alert.rule, ruleTitle(alert.rule), alert.summary,
    alert.officer, context.names?.(item)].join(' ').toLowerCase();
  return words.every((word) => all.includes(word));
}

/** @param {Filter} filter @param {Item} item @param {Context} context @returns {boolean} */
export function matches(filter, item, context) {
  return (
    among(filter.severity, item.alert.severity) &&
    among(filter.handling, standing(item.handling, context.now).state) &&
    among(filter.family, ruleFamily(item.alert.rule)) &&
    (!filter.mine || isMine(item, context)) &&
    speaksOf(item, filter.text, context)
  );
}

/**
 * How many there are of each value, of all unhandled alerts, whatever the filter shows. `urgent` are the critical ones that
 * nobody has taken up.
 * @param {Iterable<Item>} items @param {Context} context
 * @returns {{all: number, mine: number, urgent: number, severity: Record<string, number>, handling: Record<string, number>,
 *   family: Record<string, number>}}
 */
export function counts(items, context) {
  const sums = { all: 0, mine: 0, urgent: 0, severity: {}, handling: {}, family: {} };
  const add = (kind, value) => {
    sums[kind][value] = (sums[kind][value] ?? 0) + 1;
  };
  for (const item of items) {
    sums.all += 1;
    if (isMine(item, context)) sums.mine += 1;
    const { state } = standing(item.handling, context.now);
    if (state === 'new' && item.alert.severity === 'critical') sums.urgent += 1;
    add('severity', item.alert.severity);
    add('handling', state);
    add('family', ruleFamily(item.alert.rule));
  }
  return sums;
}
