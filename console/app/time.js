/**
 * Ages, spans and clock times, as short texts.
 *
 * Pure: the present is always an argument, so that tests and replay read the same code. Deliberately absent: the clock
 * (see `now.js`) and time zones of wearers; people at the desk read their own wall clock, the exact UTC stands in the title.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param {number} n @returns {string} two digits */
const two = (n) => String(n).padStart(2, '0');

/**
 * How long ago, in one unit or two, never wider than six characters: a column.
 * @param {number} ms @returns {string}
 */
export function age(ms) {
  if (!Number.isFinite(ms)) return '–';
  const span = Math.max(0, ms);
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < DAY) return `${Math.floor(span / HOUR)} h ${two(Math.floor((span % HOUR) / MINUTE))}`;
  return `${Math.floor(span / DAY)} d ${Math.floor((span % DAY) / HOUR)} h`;
}

/**
 * A span as the service writes it: `6 min 40 s`.
 * @param {number} ms @returns {string}
 */
export function span(ms) {
  const seconds = Math.floor(Math.abs(ms) / SECOND);
  const pair = (big, bigUnit, small, smallUnit) =>
    small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  if (seconds < 86400) return pair(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'min');
  return pair(Math.floor(seconds / 86400), 'd', Math.floor((seconds % 86400) / 3600), 'h');
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string} name @param {Intl.DateTimeFormatOptions} options @param {string} [zone] */
function format(name, options, zone) {
  const key = `${name} ${zone}`;
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat('en-GB', { ...options, hourCycle: 'h23', timeZone: zone });
    formats.set(key, made);
  }
  return made;
}

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit' };
const DATE = { day: 'numeric', month: 'short' };

/** @param {number} ms @param {string} [zone] @returns {string} `21:04:10` on the wall clock */
export const clock = (ms, zone) => format('clock', CLOCK, zone).format(ms);

/** @param {number} ms @param {string} [zone] @returns {string} `21:04` on the wall clock */
export const clockShort = (ms, zone) => clock(ms, zone).slice(0, 5);

/** @param {number} ms @param {string} [zone] @returns {string} `21 Nov` */
export const date = (ms, zone) => format('date', DATE, zone).format(ms);

/** @param {number} ms @param {string} [zone] @returns {string} `CET` or `GMT+1` */
export function zoneName(ms, zone) {
  const parts = format('zone', { timeZoneName: 'short' }, zone).formatToParts(ms);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
}

/**
 * A moment, with its day where that is not today.
 * @param {string|number|null} at RFC 3339 or milliseconds
 * @param {number} now @param {{zone?: string, fine?: boolean}} [options] `fine` adds milliseconds @returns {string}
 */
export function moment(at, now, { zone, fine = false } = {}) {
  const ms = millis(at);
  if (!Number.isFinite(ms)) return '–';
  const tail = fine ? `.${String(((ms % 1000) + 1000) % 1000).padStart(3, '0')}` : '';
  const text = clock(ms, zone) + tail;
  return date(ms, zone) === date(now, zone) ? text : `${date(ms, zone)}, ${text}`;
}

/** @param {string|number|null|undefined} at @returns {number} milliseconds; NaN where there is none */
export function millis(at) {
  if (typeof at === 'number') return at;
  return at ? Date.parse(at) : NaN;
}

/**
 * RFC 3339 times within a sentence of the service, as wall clock times.
 * @param {string} text @param {number} now @param {string} [zone] @returns {string}
 */
export function readable(text, now, zone) {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (at) => moment(at, now, { zone }));
}
