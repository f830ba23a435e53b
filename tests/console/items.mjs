// Alerts for the tests of the page, in the shape of the wire. Deliberately absent: real ones.

/** An item with these differences from an ordinary one. */
export function item(id, alert = {}, handling = {}) {
  return {
    alert: {
      id, code: id.slice(0, 5), revision: 1, revision_kind: 'opened', agency: 'demo', wearer: 'W-1', device: 'tag-1', rule: 'zone.exclusion', zone: 'school-3',
      severity: 'critical', grade: 'provisional', status: 'open', occurred_at: '2026-11-21T19:00:00.000Z', received_at: '2026-11-21T19:00:01.500Z',
      decided_at: '2026-11-21T19:00:01.500Z', start: '2026-11-21T19:00:00.000Z', end: null, summary: 'W-1 is inside exclusion zone school-3',
      reason: { reports: ['tag-1/a1/7'], zone_version: 'a1', rule_version: '1-3f', distance_m: -42.125, accuracy_m: 9, probability: 0.987654, parameters: {}, notes: [], blind: null },
      simulated: false, officer: 'o-1', obligation: null, repeats: 0, anchor: 'report tag-1/a1/7', ...alert,
    },
    handling: { version: 1, state: 'new', claim: null, acknowledged: null, closed: null, disposition: null, ...handling },
    opened_at: '2026-11-21T19:00:01.500Z',
  };
}
