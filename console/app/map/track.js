/**
 * The track of one wearer, the fixes a decision rests on, and the line of the signed distance.
 *
 * Deliberately absent: smoothing; a track is what was reported, and gaps in time are gaps in the line.
 */

import { pixel } from './canvas.js';
import { distanceLine, mercatorPerMetre, mercatorX, mercatorY } from '../geo.js';
import { agrees, evidenceOf } from '../evidence.js';
import { metres } from '../sentence.js';
import { millis } from '../time.js';

/** Two fixes further apart in time are not joined by a line; in milliseconds. */
const GAP = 10 * 60000;

export class TrackPainter {
  constructor() {
    this.colours = null;
    this.clear();
  }

  clear() {
    this.points = [];
    this.evidence = new Set();
    this.line = null;
    /** Where the label of the distance stands, in pixels of the canvas. */
    this.label = null;
  }

  /**
   * @param {any[]} points @param {import('../order.js').Alert|null} alert @param {any|null} feature the zone that it is about
   */
  set(points, alert, feature) {
    this.points = points.filter((it) => Number.isFinite(it.lat) && Number.isFinite(it.lon)).map((it) => ({
      ...it, x: mercatorX(it.lon), y: mercatorY(it.lat), ms: millis(it.at), perMetre: mercatorPerMetre(it.lat),
    })).sort((a, b) => a.ms - b.ms);
    this.evidence = alert ? evidenceOf(this.points, alert) : new Set();
    this.line = null;
    const last = [...this.evidence].at(-1);
    if (!last || !feature || alert.reason.distance_m === null) return;
    const found = distanceLine(feature, [last.lon, last.lat], alert.rule === 'zone.buffer');
    if (!found || !agrees(found.metres, alert.reason)) return;
    const side = alert.reason.distance_m <= 0 ? 'inside' : 'outside';
    this.line = { from: last, x: mercatorX(found.point[0]), y: mercatorY(found.point[1]), text: `${metres(alert.reason.distance_m)} ${side}` };
  }

  /** @param {CanvasRenderingContext2D} ctx @param {any} view */
  draw(ctx, view) {
    this.label = null;
    if (!this.colours || this.points.length === 0) return;
    this.drawAccuracies(ctx, view);
    this.drawPath(ctx, view);
    this.drawFixes(ctx, view);
    if (this.line) this.drawLine(ctx, view);
  }

  drawAccuracies(ctx, view) {
    ctx.lineWidth = 1;
    for (const point of this.points) {
      if (!(point.accuracy_m > 0)) continue;
      const strong = this.evidence.has(point);
      const [x, y] = pixel(view, point.x, point.y);
      const rx = point.perMetre.x * view.scale * point.accuracy_m;
      if (rx < 3) continue;
      ctx.beginPath();
      ctx.ellipse(x, y, rx, point.perMetre.y * view.scale * point.accuracy_m, 0, 0, 2 * Math.PI);
      if (strong) {
        ctx.fillStyle = this.colours.track;
        ctx.globalAlpha = 0.13;
        ctx.fill();
      }
      ctx.strokeStyle = this.colours.track;
      ctx.globalAlpha = strong ? 0.8 : 0.14;
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  drawPath(ctx, view) {
    const path = () => {
      ctx.beginPath();
      let before = null;
      for (const point of this.points) {
        const [x, y] = pixel(view, point.x, point.y);
        if (before && point.ms - before.ms <= GAP) ctx.lineTo(x, y);
        else ctx.moveTo(x, y);
        before = point;
      }
    };
    ctx.lineJoin = 'round';
    ctx.lineCap = 'round';
    for (const [colour, width, alpha] of [[this.colours['person-edge'], 4.5, 0.75], [this.colours.track, 2, 0.9]]) {
      path();
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.globalAlpha = alpha;
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  drawFixes(ctx, view) {
    const first = this.points[0].ms;
    const length = Math.max(1, this.points.at(-1).ms - first);
    for (const point of this.points) {
      const [x, y] = pixel(view, point.x, point.y);
      const strong = this.evidence.has(point);
      ctx.globalAlpha = strong ? 1 : 0.35 + (0.65 * (point.ms - first)) / length;
      ctx.beginPath();
      ctx.arc(x, y, strong ? 5 : 2.4, 0, 2 * Math.PI);
      ctx.fillStyle = strong ? this.colours.surface : this.colours.track;
      ctx.fill();
      if (!strong) continue;
      ctx.strokeStyle = this.colours.track;
      ctx.lineWidth = 3;
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  drawLine(ctx, view) {
    const [ax, ay] = pixel(view, this.line.from.x, this.line.from.y);
    const [bx, by] = pixel(view, this.line.x, this.line.y);
    const { ink, surface } = this.colours;
    for (const [colour, width] of [[surface, 4.5], [ink, 1.8]]) {
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.moveTo(ax, ay);
      ctx.lineTo(bx, by);
      // A bar across the end: here is the boundary.
      const away = Math.hypot(bx - ax, by - ay) || 1;
      const [nx, ny] = [((by - ay) / away) * 6, (-(bx - ax) / away) * 6];
      ctx.moveTo(bx - nx, by - ny);
      ctx.lineTo(bx + nx, by + ny);
      ctx.stroke();
    }
    // On a long line the label stands in its middle, else beyond the boundary: it covers neither fix nor zone.
    const away = Math.hypot(bx - ax, by - ay) || 1;
    if (away > 140) this.drawLabel(ctx, (ax + bx) / 2, (ay + by) / 2, this.line.text);
    else this.drawLabel(ctx, bx + ((bx - ax) / away) * 44, by + ((by - ay) / away) * 20, this.line.text);
  }

  drawLabel(ctx, x, y, text) {
    const { ink, surface } = this.colours;
    ctx.font = '600 12px Inter, system-ui, sans-serif';
    const width = ctx.measureText(text).width + 12;
    this.label = { west: x - width / 2, east: x + width / 2, north: y - 10, south: y + 10 };
    ctx.fillStyle = ink;
    ctx.beginPath();
    ctx.roundRect(x - width / 2, y - 9.5, width, 19, 4);
    ctx.fill();
    ctx.fillStyle = surface;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    ctx.fillText(text, x, y + 0.5);
    ctx.textAlign = 'start';
    ctx.textBaseline = 'alphabetic';
  }
}
