/**
 * Zones as they are judged: polygons, circles and corridors at true metres, and their warning rings.
 *
 * Kinds differ by pattern as well as by colour: exclusion is hatched one way, restriction the other, inclusion is filled,
 * neutral is dotted, rings are dashed. The zones of one wearer are faint, and gone while another one is selected. Deliberately
 * absent: whether a zone is in force now; the timetable is the service's.
 */

import { pixel } from './canvas.js';
import { box, lines, mercatorPerMetre, mercatorX, mercatorY } from '../geo.js';

/** From which zoom the zones of wearers who are not selected are drawn. */
const PRIVATE_FROM = 13;

/**
 * @typedef {{id: string, name: string, kind: string, set: string|null, owners: Set<string>, rings: Float64Array[], closed: boolean, radius: number, width: number,
 *   ring: number, perMetre: {x: number, y: number}, west: number, east: number, north: number, south: number, feature: any}} Zone
 */

/** @param {any} feature GeoJSON of the service @returns {Zone} ready to be drawn */
export function prepare(feature) {
  const { id, name, kind, wearer, set, radius_m: radius, width_m: width, buffer_m: ring } = feature.properties;
  const bounds = box(feature);
  const rings = lines(feature.geometry).map((line) => Float64Array.from(line.flatMap(([lon, lat]) => [mercatorX(lon), mercatorY(lat)])));
  return {
    id: String(id ?? feature.id), name: name ?? String(id), kind: kind ?? 'neutral', set: set ?? null, owners: new Set(wearer ? [wearer] : []), rings,
    closed: feature.geometry.type.endsWith('Polygon'), radius: radius ?? 0, width: width ?? 0, ring: ring ?? 0,
    perMetre: mercatorPerMetre((bounds.south + bounds.north) / 2),
    west: mercatorX(bounds.west), east: mercatorX(bounds.east), north: mercatorY(bounds.north), south: mercatorY(bounds.south), feature,
  };
}

/** @param {CanvasRenderingContext2D} ctx adds the shape to the path @param {Zone} zone @param {any} view @param {number} [more] metres beyond a circle's edge */
function trace(ctx, zone, view, more = 0) {
  for (const ring of zone.rings) {
    const [x, y] = pixel(view, ring[0], ring[1]);
    if (zone.radius > 0) {
      const [rx, ry] = [zone.perMetre.x, zone.perMetre.y].map((it) => it * view.scale * (zone.radius + more));
      ctx.moveTo(x + rx, y);
      ctx.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
      continue;
    }
    ctx.moveTo(x, y);
    for (let i = 2; i < ring.length; i += 2) ctx.lineTo(ring[i] * view.scale - view.left, ring[i + 1] * view.scale - view.top);
    if (zone.closed) ctx.closePath();
  }
}

/** @param {Record<string, string>} colours @returns {Record<string, CanvasPattern|string>} how the kinds are filled */
function patterns(colours) {
  const hatch = (colour, rising, gap) => {
    const tile = document.createElement('canvas');
    tile.width = gap;
    tile.height = gap;
    const ctx = tile.getContext('2d');
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.1;
    for (const shift of [-gap, 0, gap]) {
      ctx.moveTo(shift, rising ? gap : 0);
      ctx.lineTo(shift + gap, rising ? 0 : gap);
    }
    ctx.stroke();
    return ctx.createPattern(tile, 'repeat');
  };
  return {
    exclusion: hatch(colours['zone-exclusion'], true, 7), restriction: hatch(colours['zone-restriction'], false, 9),
    inclusion: colours['zone-inclusion'], neutral: colours['zone-neutral'],
  };
}

export class ZonePainter {
  constructor() {
    /** @type {Zone[]} */
    this.zones = [];
    this.selected = { zone: null, wearer: null };
    /** @type {Map<string, Set<string>>} zones to which conditions of single wearers refer, with those wearers */
    this.owners = new Map();
    this.sheet = document.createElement('canvas');
  }

  /** @param {any[]} features GeoJSON of the service */
  setZones(features) {
    this.zones = features.map(prepare);
    this.setOwners(this.owners);
  }

  /** @param {Map<string, Set<string>>} owners */
  setOwners(owners) {
    this.owners = owners;
    for (const zone of this.zones) for (const wearer of owners.get(zone.id) ?? []) zone.owners.add(wearer);
  }

  /** Whether a zone concerns single wearers: a home, the street of a protected person. @param {Zone} zone */
  isPrivate(zone) {
    return zone.set === null && zone.owners.size > 0;
  }

  /** @param {Record<string, string>} colours */
  setColours(colours) {
    this.colours = colours;
    this.fills = patterns(colours);
  }

  /** @param {Zone} zone @param {any} view */
  seen(zone, view) {
    const [left, top] = pixel(view, zone.west, zone.north);
    const [right, bottom] = pixel(view, zone.east, zone.south);
    if (right < 0 || bottom < 0 || left > view.width || top > view.height) return false;
    return !this.isPrivate(zone) || this.isChosen(zone) || (this.selected.wearer === null && view.zoom >= PRIVATE_FROM);
  }

  isChosen(zone) {
    return zone.id === this.selected.zone || (this.isPrivate(zone) && zone.owners.has(this.selected.wearer));
  }

  /** @param {CanvasRenderingContext2D} ctx @param {any} view */
  draw(ctx, view) {
    if (!this.fills) return;
    const seen = this.zones.filter((zone) => this.seen(zone, view));
    const order = (zone) => (zone.id === this.selected.zone ? 3 : this.isChosen(zone) ? 2 : this.isPrivate(zone) ? 0 : 1);
    seen.sort((a, b) => order(a) - order(b));
    this.drawRings(ctx, seen.filter((zone) => zone.ring > 0 && view.zoom >= 12), view);
    for (const zone of seen) {
      if (zone.width > 0) this.drawCorridor(ctx, zone, view);
      else this.drawArea(ctx, zone, view);
    }
  }

  /** How strongly a zone is drawn: line, its opacity, opacity of the filling. */
  weight(zone) {
    if (zone.id === this.selected.zone) return { line: 2.6, edge: 1, body: 0.85, veil: 0.14 };
    if (this.isChosen(zone)) return { line: 2, edge: 0.95, body: 0.6, veil: 0.08 };
    if (this.isPrivate(zone)) return { line: 1, edge: 0.4, body: 0, veil: 0.03 };
    return { line: 1.4, edge: 0.8, body: 0.42, veil: 0.05 };
  }

  drawArea(ctx, zone, view) {
    const { line, edge, body, veil } = this.weight(zone);
    const colour = this.colours[`zone-${zone.kind}`] ?? this.colours['zone-neutral'];
    ctx.beginPath();
    trace(ctx, zone, view);
    ctx.fillStyle = colour;
    ctx.globalAlpha = zone.kind === 'inclusion' ? veil * 1.6 : veil;
    ctx.fill('evenodd');
    if (zone.kind === 'exclusion' || zone.kind === 'restriction') {
      ctx.fillStyle = this.fills[zone.kind];
      ctx.globalAlpha = body * 0.8;
      ctx.fill('evenodd');
    }
    ctx.strokeStyle = colour;
    ctx.lineWidth = line;
    ctx.globalAlpha = edge;
    ctx.setLineDash(zone.kind === 'neutral' ? [2, 3] : []);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  /** A second canvas, on which shapes are cut out before they are laid on the map. */
  clean(view) {
    const [width, height] = [Math.ceil(view.width), Math.ceil(view.height)];
    if (this.sheet.width !== width || this.sheet.height !== height) Object.assign(this.sheet, { width, height });
    const ctx = this.sheet.getContext('2d');
    ctx.globalCompositeOperation = 'source-over';
    ctx.globalAlpha = 1;
    ctx.clearRect(0, 0, width, height);
    ctx.lineJoin = 'round';
    ctx.lineCap = 'round';
    return ctx;
  }

  /** A corridor is a line with round ends, as wide as it is judged: an edge, and a hatched body within it. */
  drawCorridor(ctx, zone, view) {
    const { line, edge, body, veil } = this.weight(zone);
    const width = zone.perMetre.x * view.scale * zone.width;
    const colour = this.colours[`zone-${zone.kind}`] ?? this.colours['zone-neutral'];
    const sheet = this.clean(view);
    sheet.beginPath();
    trace(sheet, zone, view);
    sheet.strokeStyle = colour;
    sheet.globalAlpha = edge;
    sheet.lineWidth = width + 2 * line;
    sheet.stroke();
    sheet.globalCompositeOperation = 'destination-out';
    sheet.globalAlpha = 1;
    sheet.lineWidth = width;
    sheet.stroke();
    sheet.globalCompositeOperation = 'source-over';
    for (const [style, alpha] of [[colour, veil], [this.fills[zone.kind] ?? colour, zone.kind === 'neutral' ? 0 : body * 0.8]]) {
      sheet.strokeStyle = style;
      sheet.globalAlpha = alpha;
      sheet.stroke();
    }
    ctx.drawImage(this.sheet, 0, 0);
  }

  /** Warning rings, all at once: the outline of everything within reach of a zone, dashed. */
  drawRings(ctx, zones, view) {
    if (zones.length === 0) return;
    for (const kind of ['exclusion', 'restriction']) {
      const some = zones.filter((zone) => (kind === 'exclusion') === (zone.kind === 'exclusion'));
      const shared = some.filter((zone) => !this.isPrivate(zone) || this.isChosen(zone));
      for (const chosen of [false, true]) {
        const group = shared.filter((zone) => this.isChosen(zone) === chosen);
        if (group.length > 0) this.drawRingsOf(ctx, group, view, this.colours[`zone-${kind}`], chosen ? 1 : 0.5);
      }
    }
  }

  drawRingsOf(ctx, zones, view, colour, strength) {
    const sheet = this.clean(view);
    const reach = (zone) => zone.perMetre.x * view.scale * zone.ring * 2 + zone.perMetre.x * view.scale * zone.width;
    const pass = (extra, style, operation) => {
      sheet.globalCompositeOperation = operation;
      for (const zone of zones) {
        sheet.beginPath();
        trace(sheet, zone, view);
        sheet.lineWidth = reach(zone) + extra;
        sheet.strokeStyle = style;
        sheet.fillStyle = style;
        sheet.stroke();
        if (zone.width === 0) sheet.fill();
      }
    };
    pass(2.6, colour, 'source-over');
    pass(0, '#000', 'destination-out');
    // What is left is a thin outline; slanted gaps make it dashed whatever its shape.
    sheet.globalCompositeOperation = 'destination-in';
    sheet.fillStyle = this.dash();
    sheet.fillRect(0, 0, view.width, view.height);
    ctx.globalAlpha = strength;
    ctx.drawImage(this.sheet, 0, 0);
    ctx.globalAlpha = 1;
  }

  dash() {
    if (this.dashes) return this.dashes;
    const tile = document.createElement('canvas');
    tile.width = 9;
    tile.height = 9;
    const ctx = tile.getContext('2d');
    // A checker of two steps: every direction of a line crosses filled and empty squares by turns.
    ctx.fillRect(0, 0, 5, 5);
    ctx.fillRect(5, 5, 4, 4);
    this.dashes = ctx.createPattern(tile, 'repeat');
    return this.dashes;
  }
}
