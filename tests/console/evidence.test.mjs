// Which fixes of a track are shown as evidence. Deliberately absent: how they are drawn.

import assert from 'node:assert/strict';
import test from 'node:test';

import { agrees, evidenceOf } from '../../console/app/evidence.js';
import { item } from './items.mjs';

const { alert } = item('a', { decided_at: '2026-11-21T19:02:00.000Z' });
const point = (minute, more = {}) => ({ at: `2026-11-21T19:0${minute}:00.000Z`, received_at: `2026-11-21T19:0${minute}:00.000Z`, device: 'tag-1', ...more });
const two = { ...alert, reason: { ...alert.reason, reports: ['tag-1/a1/6', 'tag-1/a1/7'] } };

test('a fix that bears the identity of a report is its evidence', () => {
  const points = [point(0), point(1, { report: 'tag-1/a1/7' }), point(2)];
  assert.deepEqual([...evidenceOf(points, two)], [points[1]]);
});

test('without identities the last fixes of the device that were there at the decision are', () => {
  const points = [point(0), point(1, { device: 'tag-2' }), point(1), point(2), point(3)];
  assert.deepEqual([...evidenceOf(points, two)], [points[2], points[3]]);
});

test('an alert that is not about a place has no fixes as evidence', () => {
  const none = { ...alert, reason: { ...alert.reason, distance_m: null } };
  assert.equal(evidenceOf([point(0)], none).size, 0);
});

test('a line is drawn only where it is as long as what was judged', () => {
  const check = (drawn, distance_m, accuracy_m, expected) => assert.equal(agrees(drawn, { distance_m, accuracy_m }), expected);
  check(-42.3, -42.125, 9, true);
  check(42.3, -42.125, 9, false);
  check(-55, -42, 9, false);
  check(1040, 1000, 5, true);
  check(12, 3, null, false);
});
