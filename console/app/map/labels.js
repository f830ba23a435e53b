/**
 * Names on the map: places, zones, wearers. A name that would cover another is left out; what matters most comes first.
 *
 * Deliberately absent: names along streets.
 */

import { pixel } from './canvas.js';

/** Kinds of places: size of the name, and the zoom from which it is shown and until. @type {Record<string, [number, number, number]>} */
const PLACES = {
  'place-city': [14, 5, 15], 'place-town': [13.5, 8, 16], 'place-village': [12.5, 10, 16], 'place-suburb': [11.5, 13, 17], 'place-hamlet': [11, 13, 17], 'place-locality': [11, 14, 17],
};
const ZONES_FROM = 14;
const PEOPLE_FROM = 15;
const FAMILY = 'Inter, system-ui, sans-serif';

export class LabelPainter {
  /** @param {{ground: () => any, zones: () => any, people: () => any, taken: () => any}} parts what bears names, and the place of a label that is there already */
  constructor(parts) {
    this.parts = parts;
    this.colours = null;
  }

  /** @param {CanvasRenderingContext2D} ctx @param {any} view */
  draw(ctx, view) {
    if (!this.colours) return;
    const taken = [this.parts.taken()].filter(Boolean);
    ctx.lineJoin = 'round';
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    const put = (text, x, y, size, colour, weight = 500) => this.put(ctx, view, taken, { text, x, y, size, colour, weight });
    this.people(view, put);
    this.zones(view, put);
    this.places(view, put);
  }

  people(view, put) {
    const people = this.parts.people();
    const chosen = people.selected;
    for (const it of people.people) {
      if (it.wearer === null || (it.wearer !== chosen && (chosen !== null || view.zoom < PEOPLE_FROM))) continue;
      const [x, y] = pixel(view, it.x, it.y);
      put(it.wearer, x, y + (it.wearer === chosen ? 22 : 15), it.wearer === chosen ? 12.5 : 11, this.colours.ink, it.wearer === chosen ? 700 : 500);
    }
  }

  zones(view, put) {
    const zones = this.parts.zones();
    for (const zone of zones.zones) {
      const chosen = zones.isChosen(zone);
      if (!chosen && (view.zoom < ZONES_FROM || zones.isPrivate(zone))) continue;
      if (!zones.seen(zone, view)) continue;
      const [x, top] = pixel(view, (zone.west + zone.east) / 2, zone.north);
      const ring = zone.ring * zone.perMetre.y * view.scale;
      put(zone.name, x, top + ring - 9, chosen ? 12 : 11, this.colours[`zone-${zone.kind}`] ?? this.colours.text, 600);
    }
  }

  places(view, put) {
    for (const point of this.parts.ground().points) {
      const how = PLACES[point.kind];
      if (!how || !point.name || view.zoom < how[1] || view.zoom > how[2]) continue;
      const [x, y] = pixel(view, point.west, point.north);
      put(point.name, x, y, how[0], this.colours.text, 500);
    }
  }

  put(ctx, view, taken, { text, x, y, size, colour, weight }) {
    if (x < 0 || y < 0 || x > view.width || y > view.height) return;
    ctx.font = `${weight} ${size}px ${FAMILY}`;
    const half = ctx.measureText(text).width / 2 + 4;
    const own = { west: x - half, east: x + half, north: y - size * 0.75, south: y + size * 0.75 };
    if (taken.some((it) => it.west < own.east && it.east > own.west && it.north < own.south && it.south > own.north)) return;
    taken.push(own);
    ctx.strokeStyle = this.colours.halo;
    ctx.lineWidth = 3.5;
    ctx.globalAlpha = 0.9;
    ctx.strokeText(text, x, y);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour;
    ctx.fillText(text, x, y);
  }
}
