/**
 * The service's time, between one word of it and the next.
 *
 * Ages are reckoned on the clock of the service: a console with a wrong clock must not make an alert look young, and a
 * replay runs at its own speed. The only reader of this computer's clock. Deliberately absent: wearers' time zones.
 */

let offset = 0;
let speed = 1;
let heard = Date.now();
/** When anything was last heard, on this computer's steady clock. */
let heardSteady = performance.now();

/** @returns {number} milliseconds, on the clock of the service */
export function now() {
  const passed = performance.now() - heardSteady;
  return heard + offset + passed * speed;
}

/** The service has told its time. @param {string|number} at */
export function set(at) {
  const told = typeof at === 'number' ? at : Date.parse(at);
  if (!Number.isFinite(told)) return;
  heard = Date.now();
  heardSteady = performance.now();
  offset = told - heard;
}

/** A replay has changed its speed; 0 is a pause. @param {number} factor */
export function setSpeed(factor) {
  const present = now();
  speed = factor;
  set(present);
}

/** A steady count of milliseconds, for spans of this computer. @returns {number} */
export const steady = () => performance.now();
