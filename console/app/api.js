/**
 * The service's HTTP interface as this page uses it. The session is a cookie that no script can read.
 *
 * A failure is a `Problem` with the sentence of the service. Lists are read page by page to their end. Deliberately absent:
 * the live stream (see `stream.js`), and administration.
 */

const ROOT = '/api/v1';
/** How many rows a page of a list has. */
const PAGE = 500;
/** How many pages are read at most: 100,000 rows are more than a page can be for. */
const PAGES_MAX = 200;

/** What went wrong, in the words of the service. */
export class Problem extends Error {
  /** @param {number} status 0 where there was no answer @param {any} body */
  constructor(status, body) {
    super(body?.detail || body?.title || (status === 0 ? 'The service does not answer' : `The service answered ${status}`));
    this.status = status;
    this.body = body ?? {};
  }
}

/** @param {Response} response @returns {Promise<any>} */
async function read(response) {
  if (response.status === 204) return null;
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('json')) return response.json();
  return response.text();
}

/**
 * @param {string} path @param {{method?: string, body?: any, version?: number}} [options] `version` goes into If-Match
 * @returns {Promise<any>}
 */
async function call(path, { method = 'GET', body, version } = {}) {
  const headers = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (version !== undefined) headers['if-match'] = `"${version}"`;
  let response;
  try {
    response = await fetch(ROOT + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: 'same-origin' });
  } catch {
    throw new Problem(0, null);
  }
  const answer = await read(response);
  if (!response.ok) throw new Problem(response.status, typeof answer === 'object' ? answer : null);
  return answer;
}

/** @param {Record<string, any>} words @returns {string} */
function query(words) {
  const set = Object.entries(words).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return set.length === 0 ? '' : `?${new URLSearchParams(set.map(([name, value]) => [name, String(value)]))}`;
}

/**
 * All pages of a list. @param {string} path @param {Record<string, any>} words @param {string} cursor the key that asks for the next
 * @param {string} rows the key of the rows @param {(page: any) => void} [each]
 */
async function pages(path, words, cursor, rows, each) {
  const all = [];
  let next;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await call(path + query({ ...words, limit: PAGE, [cursor]: next }));
    each?.(answer);
    for (const row of answer[rows]) all.push(row);
    next = answer.next;
    if (next === null || next === undefined) break;
  }
  return all;
}

export const logIn = (token) => call('/session', { method: 'POST', body: { token } });
export const logOut = () => call('/session', { method: 'DELETE' });
export const session = () => call('/session');
export const health = () => call('/health');

/**
 * All alerts in these states, and the position from which the stream goes on.
 * @param {string[]} states @returns {Promise<{items: import('./order.js').Item[], stream: number}>}
 */
export async function alerts(states) {
  let stream;
  const items = await pages('/alerts', { handling: states.join(',') }, 'cursor', 'items', (page) => {
    stream ??= page.stream_id;
  });
  return { items, stream };
}

/** @param {string} id @returns {Promise<import('./order.js').Item & {revisions: any[], entries: any[]}>} */
export const alert = (id) => call(`/alerts/${encodeURIComponent(id)}`);

/** What was sent about an alert. @param {string} id @returns {Promise<any[]>} */
export const deliveries = async (id) => (await call(`/alerts/${encodeURIComponent(id)}/deliveries`)).items;

/** Sends a dead letter again. @param {string} id of its alert @param {number} number @returns {Promise<any>} how it stands now */
export const sendAgain = (id, number) => call(`/alerts/${encodeURIComponent(id)}/deliveries/${number}/send`, { method: 'POST', body: {} });

/** @param {string} id @param {string} verb @param {number} version @param {any} [body] @returns {Promise<import('./order.js').Item>} */
export const act = (id, verb, version, body = {}) => call(`/alerts/${encodeURIComponent(id)}/${verb}`, { method: 'POST', body, version });

export const wearers = () => pages('/wearers', {}, 'after', 'items');
export const devices = () => pages('/devices', {}, 'after', 'items');
export const zones = () => call('/zones');
export const unreadable = () => call('/unreadable');

/** @param {string} wearer @param {number} from @param {number} until milliseconds @returns {Promise<any[]>} */
export function track(wearer, from, until) {
  const words = { from: new Date(from).toISOString(), until: new Date(until).toISOString() };
  return pages(`/wearers/${encodeURIComponent(wearer)}/track`, words, 'after', 'points');
}

export const baseMap = () => call('/map');

/** A layer of the base map: GeoJSON, packed or not. @param {string} url @returns {Promise<any>} */
export async function mapLayer(url) {
  const response = await fetch(url, { credentials: 'same-origin' });
  if (!response.ok) throw new Problem(response.status, null);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const body = packed ? new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')) : bytes;
  return new Response(body).json();
}

export const replay = () => call('/replay');
export const setReplay = (wish) => call('/replay', { method: 'POST', body: wish });
