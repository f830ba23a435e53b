/**
 * The live stream: what is committed arrives here, and a stream that has died is noticed.
 *
 * The browser resumes by itself with the id it saw last; where it has given up, or no heartbeat has come, a new stream is
 * opened from that id. Heartbeats (`health`) come every 5 s, so silence is a fact after 12 s. Deliberately absent: what the
 * news means.
 */

import { steady } from './now.js';

/** Without a word for so long, the stream counts as dead; in milliseconds. */
export const SILENCE_MAX = 12000;
/** A dead stream is opened anew at most this often; in milliseconds. */
const RETRY = 4000;

/**
 * @typedef {{news: (kind: 'alert'|'handling', item: any) => void, health: (health: any) => void,
 *   reset: (reset: any) => void, state: (state: 'connecting'|'live'|'dead') => void, refused: () => void}} Listener
 */

export class Stream {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    /** @type {EventSource|null} */
    this.source = null;
    /** @type {string|number|null} */
    this.last = null;
    this.heard = steady();
    this.opened = -Infinity;
    this.status = 'connecting';
    this.timer = null;
  }

  /** Begins after a position. @param {string|number} after */
  start(after) {
    this.last = after;
    this.heard = steady();
    this.open();
    this.timer ??= setInterval(() => this.watch(), 1000);
  }

  stop() {
    this.source?.close();
    this.source = null;
    clearInterval(this.timer);
    this.timer = null;
  }

  /** @returns {number} milliseconds since anything was heard */
  silentFor() {
    return steady() - this.heard;
  }

  open() {
    this.source?.close();
    this.opened = steady();
    const source = new EventSource(`/api/v1/stream?after=${encodeURIComponent(String(this.last))}`);
    this.source = source;
    source.addEventListener('open', () => this.alive());
    source.addEventListener('error', () => this.stumbled());
    for (const kind of ['alert', 'handling']) {
      source.addEventListener(kind, (event) => {
        this.alive();
        if (event.lastEventId) this.last = event.lastEventId;
        this.listener.news(kind, JSON.parse(event.data));
      });
    }
    source.addEventListener('health', (event) => {
      this.alive();
      this.listener.health(JSON.parse(event.data));
    });
    source.addEventListener('reset', (event) => {
      this.alive();
      this.listener.reset(JSON.parse(event.data));
    });
  }

  alive() {
    this.heard = steady();
    this.say('live');
  }

  /** The browser tries again by itself, unless it has given up: then perhaps the session is over. */
  stumbled() {
    if (this.status === 'live') this.say('connecting');
    if (this.source?.readyState === EventSource.CLOSED) this.listener.refused();
  }

  watch() {
    if (this.silentFor() <= SILENCE_MAX) return;
    this.say('dead');
    if (steady() - this.opened > RETRY) this.open();
  }

  /** @param {'connecting'|'live'|'dead'} status */
  say(status) {
    if (this.status === 'dead' && status === 'connecting') return;
    if (this.status === status) return;
    this.status = status;
    this.listener.state(status);
  }
}
