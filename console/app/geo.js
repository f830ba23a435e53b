/**
 * Metres on the map: shapes of zones, the nearest point of a boundary, and how large a metre is drawn.
 *
 * Local metres scaled at the place in question, as the service does it; good to centimetres for what fits on a screen.
 * Pure. The verdict is the service's: this only finds where to draw the line of a distance that the service gave.
 * Deliberately absent: Leaflet, and shapes across the antimeridian (they are drawn, in two parts, without a distance).
 */

const RADIAN = Math.PI / 180;

/** @typedef {[number, number]} Position longitude and latitude, in degrees */

/** @param {number} lat @returns {{x: number, y: number}} metres to a degree of longitude and of latitude (WGS84) */
export function metresPerDegree(lat) {
  const phi = lat * RADIAN;
  return {
    x: 111412.84 * Math.cos(phi) - 93.5 * Math.cos(3 * phi) + 0.118 * Math.cos(5 * phi),
    y: 111132.954 - 559.822 * Math.cos(2 * phi) + 1.175 * Math.cos(4 * phi),
  };
}

/** @param {number} lon @returns {number} 0 to 1 from west to east, as web maps draw it */
export const mercatorX = (lon) => lon / 360 + 0.5;

/** @param {number} lat @returns {number} 0 to 1 from north to south, as web maps draw it */
export function mercatorY(lat) {
  const sine = Math.sin(Math.max(-85.0511287798, Math.min(85.0511287798, lat)) * RADIAN);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

/**
 * How large a metre is in the unit square of the web map.
 * @param {number} lat @returns {{x: number, y: number}}
 */
export function mercatorPerMetre(lat) {
  const metre = metresPerDegree(lat);
  return { x: 1 / 360 / metre.x, y: RADIAN / (2 * Math.PI) / Math.cos(lat * RADIAN) / metre.y };
}

/** @param {Position} a @param {Position} b @returns {number} metres, for what is near */
export function distance(a, b) {
  const metre = metresPerDegree((a[1] + b[1]) / 2);
  return Math.hypot((b[0] - a[0]) * metre.x, (b[1] - a[1]) * metre.y);
}

/** @param {any} geometry GeoJSON @returns {Position[][]} its lines or rings */
export function lines(geometry) {
  switch (geometry?.type) {
    case 'Point': return [[geometry.coordinates]];
    case 'LineString': return [geometry.coordinates];
    case 'Polygon': case 'MultiLineString': return geometry.coordinates;
    case 'MultiPolygon': return geometry.coordinates.flat();
    default: return [];
  }
}

/**
 * The box round a shape, with its radius or half width. @param {any} feature
 * @returns {{west: number, south: number, east: number, north: number}}
 */
export function box(feature) {
  const found = { west: Infinity, south: Infinity, east: -Infinity, north: -Infinity };
  for (const line of lines(feature.geometry)) {
    for (const [lon, lat] of line) {
      found.west = Math.min(found.west, lon);
      found.east = Math.max(found.east, lon);
      found.south = Math.min(found.south, lat);
      found.north = Math.max(found.north, lat);
    }
  }
  const reach = (feature.properties?.radius_m ?? 0) + (feature.properties?.width_m ?? 0) / 2 + (feature.properties?.buffer_m ?? 0);
  const metre = metresPerDegree((found.south + found.north) / 2);
  return {
    west: found.west - reach / metre.x, east: found.east + reach / metre.x,
    south: found.south - reach / metre.y, north: found.north + reach / metre.y,
  };
}

/** @param {Position[][]} rings in metres round the origin @returns {boolean} whether the origin is within, holes counted */
function holdsOrigin(rings) {
  let inside = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
      const [a, b] = [ring[i], ring[j]];
      if (a[1] > 0 !== b[1] > 0 && 0 < ((b[0] - a[0]) * -a[1]) / (b[1] - a[1]) + a[0]) inside = !inside;
    }
  }
  return inside;
}

/** @param {Position[][]} all lines in metres @returns {{x: number, y: number, far: number}} of them, what is nearest to the origin */
function nearestToOrigin(all) {
  let best = { x: 0, y: 0, far: Infinity };
  const look = (x, y) => {
    const far = Math.hypot(x, y);
    if (far < best.far) best = { x, y, far };
  };
  for (const line of all) {
    if (line.length === 1) look(line[0][0], line[0][1]);
    for (let i = 1; i < line.length; i += 1) {
      const [a, b] = [line[i - 1], line[i]];
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
      const along = dx === 0 && dy === 0 ? 0 : Math.max(0, Math.min(1, -(a[0] * dx + a[1] * dy) / (dx * dx + dy * dy)));
      look(a[0] + along * dx, a[1] + along * dy);
    }
  }
  return best;
}

/**
 * The point of a zone's boundary that is nearest to a place, and how far it is (negative inside).
 * @param {any} feature @param {Position} from @returns {{point: Position, metres: number}|null} null where there is no direction
 */
export function nearestBoundary(feature, from) {
  const metre = metresPerDegree(from[1]);
  const local = lines(feature.geometry).map((line) => line.map(([lon, lat]) => [(lon - from[0]) * metre.x, (lat - from[1]) * metre.y]));
  if (local.length === 0) return null;
  const nearest = nearestToOrigin(local);
  const place = (x, y) => [from[0] + x / metre.x, from[1] + y / metre.y];
  const reach = feature.properties?.radius_m ?? (feature.properties?.width_m ?? 0) / 2;
  if (reach > 0) {
    if (nearest.far === 0) return { point: place(reach, 0), metres: -reach };
    const share = (nearest.far - reach) / nearest.far;
    return { point: place(nearest.x * share, nearest.y * share), metres: nearest.far - reach };
  }
  return { point: place(nearest.x, nearest.y), metres: holdsOrigin(local) ? -nearest.far : nearest.far };
}

/**
 * The end of the line that shows a signed distance: to the boundary, or to the outer edge of its warning ring.
 * @param {any} feature @param {Position} from @param {boolean} toRing @returns {{point: Position, metres: number}|null}
 */
export function distanceLine(feature, from, toRing) {
  const found = nearestBoundary(feature, from);
  const ring = feature.properties?.buffer_m ?? 0;
  if (!found || !toRing || ring === 0 || found.metres <= 0) return found;
  const share = (found.metres - ring) / found.metres;
  const point = [from[0] + (found.point[0] - from[0]) * share, from[1] + (found.point[1] - from[1]) * share];
  return { point, metres: found.metres - ring };
}

