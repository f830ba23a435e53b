// Metres on the map, against figures that were reckoned elsewhere. Deliberately absent: verdicts; the engine gives them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { box, distance, distanceLine, mercatorPerMetre, mercatorX, mercatorY, metresPerDegree, nearestBoundary } from '../../console/app/geo.js';

/** A square of 0.01 degrees with its corner at Vaduz, with a hole. */
const square = {
  properties: { buffer_m: 100 },
  geometry: { type: 'Polygon', coordinates: [
    [[9.52, 47.14], [9.53, 47.14], [9.53, 47.15], [9.52, 47.15], [9.52, 47.14]],
    [[9.524, 47.144], [9.526, 47.144], [9.526, 47.146], [9.524, 47.146], [9.524, 47.144]],
  ] },
};
const circle = { properties: { radius_m: 75 }, geometry: { type: 'Point', coordinates: [9.5214, 47.1662] } };
const corridor = { properties: { width_m: 30 }, geometry: { type: 'LineString', coordinates: [[9.51, 47.16], [9.52, 47.16]] } };
const near = (value, expected, within) => assert.ok(Math.abs(value - expected) <= within, `${value} is not ${expected} ± ${within}`);

test('a degree has its length on the ellipsoid', () => {
  const { x, y } = metresPerDegree(47);
  near(x, 76055.7, 1);
  near(y, 111170.0, 5);
  near(metresPerDegree(0).x, 111319.5, 1);
});

test('web map squares: corners and the size of a metre', () => {
  assert.equal(mercatorX(-180), 0);
  near(mercatorY(85.0511287798), 0, 1e-9);
  assert.equal(mercatorY(0), 0.5);
  const { x, y } = mercatorPerMetre(47);
  near(x * 1000, mercatorX(9 + 1000 / metresPerDegree(47).x) - mercatorX(9), 1e-12);
  near(y * 1000, mercatorY(47 - 500 / metresPerDegree(47).y) - mercatorY(47 + 500 / metresPerDegree(47).y), 1e-9);
});

test('the nearest boundary of a polygon is negative inside, and a hole is outside', () => {
  const metre = metresPerDegree(47.14);
  near(nearestBoundary(square, [9.521, 47.1401]).metres, -0.0001 * metre.y, 0.05);
  near(nearestBoundary(square, [9.519, 47.145]).metres, 0.001 * metre.x, 0.1);
  assert.ok(nearestBoundary(square, [9.525, 47.145]).metres > 0);
  near(nearestBoundary(square, [9.519, 47.145]).point[0], 9.52, 1e-9);
});

test('circles and corridors are as wide as they are judged', () => {
  near(nearestBoundary(circle, [9.5214, 47.1662]).metres, -75, 1e-9);
  const north = [9.5214, 47.1662 + 100 / metresPerDegree(47.1662).y];
  const found = nearestBoundary(circle, north);
  near(found.metres, 25, 0.01);
  near(distance(north, found.point), 25, 0.01);
  near(nearestBoundary(corridor, [9.515, 47.16 + 10 / metresPerDegree(47.16).y]).metres, -5, 0.01);
  near(nearestBoundary(corridor, [9.509, 47.16]).metres, 0.001 * metresPerDegree(47.16).x - 15, 0.05);
});

test('within a warning ring the line goes outward, to its outer edge', () => {
  const from = [9.52 - 40 / metresPerDegree(47.145).x, 47.145];
  const line = distanceLine(square, from, true);
  near(line.metres, -60, 0.05);
  near(distance(from, line.point), 60, 0.05);
  assert.ok(line.point[0] < from[0]);
  near(distanceLine(square, from, false).metres, 40, 0.05);
});

test('a box has room for radius, width and ring', () => {
  const bounds = box(circle);
  near(distance([bounds.west, 47.1662], [bounds.east, 47.1662]), 150, 0.01);
  near(distance([9.52, box(square).south], [9.52, 47.14]), 100, 0.05);
});
