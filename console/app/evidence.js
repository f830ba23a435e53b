/**
 * Which fixes of a track a decision rests on, and whether what the map would draw is what was judged.
 *
 * Pure. Deliberately absent: judging anything again; the decision and its numbers are the service's.
 */

import { millis } from './time.js';

/**
 * The fixes that the reports of a reason brought: by their identity where the track has it; else by time, the last ones of
 * the device that had been received when it was decided.
 * @param {any[]} points @param {import('./order.js').Alert} alert @returns {Set<any>}
 */
export function evidenceOf(points, alert) {
  const reports = new Set(alert.reason.reports);
  if (reports.size === 0 || alert.reason.distance_m === null) return new Set();
  const named = points.filter((it) => reports.has(it.report));
  if (named.length > 0) return new Set(named);
  const until = millis(alert.decided_at);
  const before = points.filter((it) => (alert.device === null || it.device === alert.device) && millis(it.received_at) <= until);
  return new Set(before.slice(-reports.size));
}

/**
 * Whether a distance on the map is the one that was judged. The zone may have changed since, or the fix may be another one;
 * then no line is better than a wrong one.
 * @param {number} drawn @param {{distance_m: number, accuracy_m: number|null}} reason @returns {boolean}
 */
export function agrees(drawn, { distance_m: judged, accuracy_m: accuracy }) {
  return Math.abs(drawn - judged) <= Math.max(5, (accuracy ?? 0) / 2, Math.abs(judged) * 0.05);
}
