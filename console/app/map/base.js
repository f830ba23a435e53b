/**
 * The base map: quiet lines and areas from the layers the service ships, drawn into tiles; a graticule where it ships none.
 *
 * Kinds of things decide their colour and from which zoom they are drawn, so that a foreign layer with the same words looks
 * right. Names are drawn by `labels.js`, above the zones. Deliberately absent: any tile or layer of another host.
 */

import { L } from './canvas.js';
import { lines, mercatorX, mercatorY } from '../geo.js';

/** Width of roads in pixels at zoom 16, and the zoom from which they are drawn. @type {Record<string, [number, number]>} */
const ROADS = {
  motorway: [9, 5], trunk: [8.5, 6], primary: [8, 8], secondary: [7, 9], tertiary: [6, 10], primary_link: [5, 11], secondary_link: [5, 11],
  unclassified: [4.5, 11], residential: [4.5, 12], living_street: [4, 13], road: [4, 13], pedestrian: [3.5, 14], service: [2.6, 14],
};
/** Ways for people on foot: thin and broken. @type {Record<string, number>} */
const PATHS = { track: 13, cycleway: 13, footway: 15, path: 14, bridleway: 15, steps: 15 };

/** @type {Record<string, string>} kind of an area → colour of the palette */
const AREAS = {
  water: 'water', river: 'water', basin: 'water', wetland: 'water', forest: 'wood', wood: 'wood', scrub: 'wood', vineyard: 'green', park: 'green', meadow: 'green',
  grass: 'green', sport: 'green', playground: 'green', recreation_ground: 'green', village_green: 'green', allotments: 'green', cemetery: 'green', farmland: 'green',
  residential: 'town', industrial: 'town', commercial: 'town', school: 'town', farmyard: 'town', quarry: 'town', construction: 'town', parking: 'town', place_of_worship: 'town', townhall: 'town',
};
/** From which zoom a road is drawn with two edges; from further away it is one line. */
const HOLLOW_FROM = 13;
/** From which zoom buildings are drawn. */
const BUILDINGS_FROM = 14;

/**
 * @typedef {{kind: string, rings: Float64Array[], west: number, north: number, east: number, south: number, name: string}} Shape
 * @typedef {{areas: Shape[], buildings: Shape[], roads: Shape[], points: Shape[]}} Ground
 */

/** @param {any} feature @returns {Shape} its places as shares of the web map's square */
function shape(feature) {
  const made = { kind: String(feature.properties?.kind ?? ''), name: feature.properties?.name ?? '', rings: [], west: 1, north: 1, east: 0, south: 0 };
  for (const line of lines(feature.geometry)) {
    const ring = new Float64Array(line.length * 2);
    line.forEach(([lon, lat], i) => {
      const [x, y] = [mercatorX(lon), mercatorY(lat)];
      ring[2 * i] = x;
      ring[2 * i + 1] = y;
      made.west = Math.min(made.west, x);
      made.east = Math.max(made.east, x);
      made.north = Math.min(made.north, y);
      made.south = Math.max(made.south, y);
    });
    made.rings.push(ring);
  }
  return made;
}

/**
 * Sorts the features of the layers by how they are drawn.
 * @param {Array<{kind: string, features: any[]}>} layers @returns {Ground}
 */
export function sortGround(layers) {
  const ground = { areas: [], buildings: [], roads: [], points: [] };
  for (const { kind, features } of layers) {
    for (const feature of features) {
      const type = feature.geometry?.type ?? '';
      const made = shape(feature);
      if (type.endsWith('Point')) ground.points.push(made);
      else if (type.endsWith('LineString')) ground.roads.push(made);
      else if (made.kind === 'building' || kind.startsWith('building')) ground.buildings.push(made);
      else ground.areas.push(made);
    }
  }
  // Large areas first, so that a pond in a wood is seen; wide roads last, so that they cover crossings.
  const size = (it) => (it.east - it.west) * (it.south - it.north);
  ground.areas.sort((a, b) => size(b) - size(a));
  ground.roads.sort((a, b) => (ROADS[a.kind]?.[0] ?? 0) - (ROADS[b.kind]?.[0] ?? 0));
  return ground;
}

/** @param {CanvasRenderingContext2D} ctx @param {Shape[]} shapes @param {any} at where the tile lies */
function trace(ctx, shapes, { scale, left, top }) {
  ctx.beginPath();
  for (const { rings } of shapes) {
    for (const ring of rings) {
      ctx.moveTo(ring[0] * scale - left, ring[1] * scale - top);
      for (let i = 2; i < ring.length; i += 2) ctx.lineTo(ring[i] * scale - left, ring[i + 1] * scale - top);
    }
  }
}

/** @param {Shape[]} shapes @returns {Map<string, Shape[]>} by kind, in their order */
function byKind(shapes) {
  const kinds = new Map();
  for (const it of shapes) {
    if (!kinds.has(it.kind)) kinds.set(it.kind, []);
    kinds.get(it.kind).push(it);
  }
  return kinds;
}

function drawRoads(ctx, shapes, at, colours) {
  const grow = 2 ** Math.min(1.6, (at.zoom - 16) * 0.72);
  const kinds = byKind(shapes);
  ctx.lineCap = 'round';
  ctx.lineJoin = 'round';
  for (const [kind, some] of kinds) {
    if (!(at.zoom >= PATHS[kind])) continue;
    trace(ctx, some, at);
    ctx.setLineDash([3.5, 3]);
    ctx.lineWidth = at.zoom >= 16 ? 1.3 : 1;
    ctx.strokeStyle = colours.path;
    ctx.stroke();
    ctx.setLineDash([]);
  }
  const drawn = [...kinds].filter(([kind]) => ROADS[kind] && at.zoom >= ROADS[kind][1]);
  if (at.zoom < HOLLOW_FROM) {
    for (const [kind, some] of drawn) {
      trace(ctx, some, at);
      ctx.lineWidth = Math.max(0.7, ROADS[kind][0] * grow * 1.5);
      ctx.strokeStyle = colours.distant;
      ctx.stroke();
    }
    return;
  }
  for (const casing of [true, false]) {
    for (const [kind, some] of drawn) {
      const width = Math.max(kind === 'service' ? 0.7 : 0.9, ROADS[kind][0] * grow);
      trace(ctx, some, at);
      ctx.lineWidth = casing ? width + (at.zoom >= 13 ? 1.6 : 1.1) : width;
      ctx.strokeStyle = casing ? colours.casing : colours.road;
      ctx.stroke();
    }
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {Ground} ground @param {any} at @param {Record<string, string>} colours */
function drawGround(ctx, ground, at, colours) {
  const pad = 12 / at.scale;
  const [west, north] = [at.left / at.scale - pad, at.top / at.scale - pad];
  const [east, south] = [west + (at.size + 24) / at.scale, north + (at.size + 24) / at.scale];
  const near = (it) => it.east >= west && it.west <= east && it.south >= north && it.north <= south;
  for (const area of ground.areas.filter(near)) {
    trace(ctx, [area], at);
    ctx.fillStyle = colours[AREAS[area.kind] ?? 'town'];
    ctx.fill('evenodd');
  }
  if (at.zoom >= BUILDINGS_FROM) {
    trace(ctx, ground.buildings.filter(near), at);
    ctx.fillStyle = colours.building;
    ctx.fill('evenodd');
  }
  drawRoads(ctx, ground.roads.filter(near), at, colours);
}

/** Lines of a grid a whole number of steps apart, with their degrees. */
function drawGraticule(ctx, at, colours) {
  const step = [90, 45, 30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001].find((it) => (it / 360) * at.scale < 240) ?? 0.001;
  const lonAt = (x) => ((x + at.left) / at.scale - 0.5) * 360;
  const latAt = (y) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * (y + at.top)) / at.scale))) * 180) / Math.PI;
  ctx.strokeStyle = colours.casing;
  ctx.fillStyle = colours.text;
  ctx.font = '10px sans-serif';
  ctx.lineWidth = 1;
  const digits = step < 0.01 ? 3 : step < 1 ? 2 : 0;
  ctx.beginPath();
  for (let lon = Math.ceil(lonAt(0) / step) * step; lon < lonAt(at.size); lon += step) {
    const x = Math.round(mercatorX(lon) * at.scale - at.left) + 0.5;
    ctx.moveTo(x, 0);
    ctx.lineTo(x, at.size);
    ctx.fillText(`${lon.toFixed(digits)}°`, x + 3, 10);
  }
  for (let lat = Math.ceil(latAt(at.size) / step) * step; lat < latAt(0); lat += step) {
    const y = Math.round(mercatorY(lat) * at.scale - at.top) + 0.5;
    ctx.moveTo(0, y);
    ctx.lineTo(at.size, y);
    ctx.fillText(`${lat.toFixed(digits)}°`, 3, y - 3);
  }
  ctx.stroke();
}

/** @type {any} */
export const BaseLayer = L.GridLayer.extend({
  options: { updateWhenZooming: false, keepBuffer: 1, minZoom: 2, maxZoom: 19 },

  /** @param {Ground} ground @param {Record<string, string>} colours */
  show(ground, colours) {
    this.ground = ground;
    this.colours = colours;
    this.redraw();
  },

  createTile(coords) {
    const tile = document.createElement('canvas');
    const { x: size } = this.getTileSize();
    const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
    tile.width = size * ratio;
    tile.height = size * ratio;
    if (!this.colours) return tile;
    const ctx = tile.getContext('2d', { alpha: false });
    ctx.scale(ratio, ratio);
    ctx.fillStyle = this.colours.land;
    ctx.fillRect(0, 0, size, size);
    const at = { scale: size * 2 ** coords.z, left: coords.x * size, top: coords.y * size, zoom: coords.z, size };
    const { areas, buildings, roads } = this.ground;
    if (areas.length + buildings.length + roads.length > 0) drawGround(ctx, this.ground, at, this.colours);
    else drawGraticule(ctx, at, this.colours);
    return tile;
  },
});
