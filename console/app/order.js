/**
 * What comes before what in the queue, and what an item is after news of it.
 *
 * Order: severity, then age, then id, so that two pages show the same list. Pure. Deliberately absent: filters and what
 * is drawn (see `filter.js`, `board.js`).
 */

import { severityRank } from './words.js';

/**
 * @typedef {{by: string, since: string, until: string}} Claim
 * @typedef {{version: number, state: string, claim: Claim|null, acknowledged: {by: string, at: string}|null,
 *   closed: {by: string, at: string}|null, disposition: string|null}} Handling
 * @typedef {{id: string, code: string, revision: number, severity: string, rule: string, wearer: string, device: string|null,
 *   zone: string|null, status: string, grade: string, summary: string, start: string, end: string|null,
 *   revision_kind: string, occurred_at: string, received_at: string, decided_at: string, reason: any, officer: string|null,
 *   obligation: string|null, repeats: number, anchor: string, simulated: boolean}} Alert
 * @typedef {{alert: Alert, handling: Handling, opened_at: string}} Item
 */

/** @typedef {{id: string, rank: number, start: number}} Key */

/** @param {Item} item @returns {Key} what the order looks at, read once */
export function key(item) {
  return { id: item.alert.id, rank: severityRank(item.alert.severity), start: Date.parse(item.alert.start) };
}

/**
 * @param {boolean} newestFirst whether the youngest of a severity comes first
 * @returns {(a: Key, b: Key) => number}
 */
export function comparator(newestFirst) {
  const sign = newestFirst ? -1 : 1;
  return (a, b) => a.rank - b.rank || sign * (a.start - b.start) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/**
 * The handling as it stands at an instant: a claim that has lapsed is none. The same rule as the desk's.
 * @param {Handling} handling @param {number} now @returns {Handling}
 */
export function standing(handling, now) {
  if (!handling.claim || Date.parse(handling.claim.until) > now) return handling;
  const state = handling.state === 'claimed' ? 'new' : handling.state;
  return { ...handling, claim: null, state };
}

/**
 * Whether the only change is that this person's claim was renewed: that is no reason to ask anybody anything.
 * @param {Handling} was @param {Handling} is @param {string} me @returns {boolean}
 */
export function onlyRenewed(was, is, me) {
  const mine = was.claim?.by === me && is.claim?.by === me && was.claim.until !== is.claim.until;
  return mine && is.version === was.version + 1 && was.state === is.state;
}

/**
 * News may come twice or in either order (stream, list, answer of a command): of each half the newer one counts.
 * @param {Item|undefined} old @param {Item} news @returns {Item}
 */
export function merge(old, news) {
  if (!old) return news;
  return {
    alert: news.alert.revision >= old.alert.revision ? news.alert : old.alert,
    handling: news.handling.version >= old.handling.version ? news.handling : old.handling,
    opened_at: news.opened_at ?? old.opened_at,
  };
}
