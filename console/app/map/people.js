/**
 * Wearers on the map: where each was last, how sure that is, and whether anything stands against them.
 *
 * One layer for all, thousands of them. A wearer with unhandled alerts bears the sign of the worst; one that has not been
 * heard is an empty ring. Deliberately absent: names at a distance, and movement between two fixes; nobody knows it.
 */

import { pixel, signPath } from './canvas.js';
import { mercatorPerMetre, mercatorX, mercatorY } from '../geo.js';
import { severityRank } from '../words.js';
import { millis } from '../time.js';

/** Not heard for longer than this counts as silent on the map; in milliseconds. */
export const SILENT = 15 * 60000;
/** How near the pointer must be, in pixels. */
const REACH = 13;
const ACCURACY_FROM = 14;

/**
 * @typedef {{device: string, wearer: string|null, x: number, y: number, lat: number, lon: number, accuracy: number|null, contactAt: number,
 *   severity: string|null, perMetre: {x: number, y: number}, seen: any}} Person
 */

/** @param {string|undefined} worst @returns {string|null} the sign that it gives to a wearer: what is low is left to the queue */
const signOf = (worst) => (worst === undefined || worst === 'low' || worst === 'info' ? null : worst);

export class PeoplePainter {
  constructor() {
    /** @type {Person[]} */
    this.people = [];
    this.selected = null;
    this.colours = null;
    this.now = 0;
  }

  /**
   * @param {any[]} devices as the service lists them @param {Map<string, string>} worst severity of the unhandled alerts of a wearer
   * @param {number} now
   */
  set(devices, worst, now) {
    this.now = now;
    this.people = devices.filter((it) => it.fix).map((it) => ({
      device: it.device, wearer: it.wearer, lat: it.fix.lat, lon: it.fix.lon, x: mercatorX(it.fix.lon), y: mercatorY(it.fix.lat),
      accuracy: it.fix.accuracy_m > 0 ? it.fix.accuracy_m : null, contactAt: millis(it.contact_at),
      severity: signOf(worst.get(it.wearer)), perMetre: mercatorPerMetre(it.fix.lat), seen: it,
    }));
    // The worst is drawn last, on top.
    const rank = (it) => (it.severity === null ? 9 : severityRank(it.severity));
    this.people.sort((a, b) => rank(b) - rank(a));
  }

  /** @param {number} now @returns {number} how many devices with a place have not been heard */
  silent(now) {
    return this.people.filter((it) => now - it.contactAt > SILENT).length;
  }

  /** @param {string} wearer @returns {Person|undefined} */
  of(wearer) {
    return this.people.findLast((it) => it.wearer === wearer);
  }

  /** @param {CanvasRenderingContext2D} ctx @param {any} view */
  draw(ctx, view) {
    if (!this.colours) return;
    const chosen = [];
    for (const person of this.people) {
      const [x, y] = pixel(view, person.x, person.y);
      if (x < -20 || y < -20 || x > view.width + 20 || y > view.height + 20) continue;
      if (person.wearer !== null && person.wearer === this.selected) chosen.push([person, x, y]);
      else this.drawPerson(ctx, view, person, x, y, false);
    }
    for (const [person, x, y] of chosen) this.drawPerson(ctx, view, person, x, y, true);
  }

  drawPerson(ctx, view, person, x, y, chosen) {
    const silent = this.now - person.contactAt > SILENT;
    const colour = person.severity ? this.colours[person.severity] : silent ? this.colours['person-silent'] : this.colours.person;
    if (person.accuracy && (chosen || view.zoom >= ACCURACY_FROM)) this.drawAccuracy(ctx, view, person, x, y, colour, chosen);
    const dim = this.selected !== null && !chosen;
    const size = Math.min(1, 0.55 + Math.max(0, view.zoom - 10) * 0.12);
    const r = (chosen ? 7 : person.severity ? 5.6 : 4.4) * (chosen ? 1 : size);
    ctx.globalAlpha = dim ? 0.55 : 1;
    signPath(ctx, person.severity ?? 'none', x, y, r);
    ctx.lineWidth = 2;
    if (silent) {
      ctx.fillStyle = this.colours.surface;
      ctx.fill();
      ctx.strokeStyle = colour;
      ctx.stroke();
    } else {
      ctx.strokeStyle = this.colours['person-edge'];
      ctx.stroke();
      ctx.fillStyle = colour;
      ctx.fill();
    }
    if (chosen) {
      ctx.beginPath();
      ctx.arc(x, y, r + 6, 0, 2 * Math.PI);
      ctx.strokeStyle = this.colours.ink;
      ctx.lineWidth = 1.6;
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  drawAccuracy(ctx, view, person, x, y, colour, chosen) {
    const rx = person.perMetre.x * view.scale * person.accuracy;
    if (rx < 7 || rx > view.width) return;
    ctx.beginPath();
    ctx.ellipse(x, y, rx, person.perMetre.y * view.scale * person.accuracy, 0, 0, 2 * Math.PI);
    ctx.fillStyle = colour;
    ctx.globalAlpha = chosen ? 0.14 : 0.07;
    ctx.fill();
    ctx.globalAlpha = chosen ? 0.7 : 0.28;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.stroke();
  }

  /** @param {any} view @param {number} x @param {number} y pixels on the canvas @returns {Person|null} who is under the pointer */
  at(view, x, y) {
    let best = null;
    let far = REACH;
    for (const person of this.people) {
      const [px, py] = pixel(view, person.x, person.y);
      const away = Math.hypot(px - x, py - y);
      if (away <= far) {
        best = person;
        far = away;
      }
    }
    return best;
  }
}
