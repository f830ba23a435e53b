// The order of the queue, its filters, and the board that holds still while somebody is about to click.
// Deliberately absent: the page itself; a browser test looks at that.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Board } from '../../console/app/board.js';
import { comparator, key, merge, onlyRenewed, standing } from '../../console/app/order.js';
import { counts, everything, isMine, matches, narrows } from '../../console/app/filter.js';
import { item } from './items.mjs';

const NOW = Date.parse('2026-11-21T20:00:00.000Z');
const context = { me: 'ann', now: NOW };

/** A board with these alerts, as ann sees it. */
function board(...items) {
  const made = new Board(() => context);
  made.load(items);
  return made;
}

test('severity comes first, then age, then the id', () => {
  const items = [
    item('d', { severity: 'low', start: '2026-11-21T19:59:00.000Z' }),
    item('a', { severity: 'critical', start: '2026-11-21T19:00:00.000Z' }),
    item('c', { severity: 'critical', start: '2026-11-21T19:30:00.000Z' }),
    item('b', { severity: 'critical', start: '2026-11-21T19:00:00.000Z' }),
    item('e', { severity: 'unheard_of' }),
  ];
  const order = (newestFirst) => items.map(key).sort(comparator(newestFirst)).map((it) => it.id).join('');
  assert.equal(order(true), 'ecabd', 'a severity that is not known is never hidden at the end');
  assert.equal(order(false), 'eabcd');
});

test('of two pieces of news the newer half counts, whichever comes first', () => {
  const old = item('a', { revision: 2, status: 'open' }, { version: 3, state: 'acknowledged' });
  const late = item('a', { revision: 1 }, { version: 4, state: 'closed' });
  const merged = merge(old, late);
  assert.equal(merged.alert.revision, 2);
  assert.equal(merged.handling.state, 'closed');
});

test('a claim that has lapsed is none', () => {
  const claim = { by: 'bob', since: '2026-11-21T19:50:00.000Z', until: '2026-11-21T20:00:00.000Z' };
  assert.equal(standing({ version: 2, state: 'claimed', claim }, NOW - 1).state, 'claimed');
  assert.equal(standing({ version: 2, state: 'claimed', claim }, NOW).state, 'new');
  assert.equal(standing({ version: 2, state: 'acknowledged', claim }, NOW).state, 'acknowledged');
});

test('filters join: any value of a kind, all kinds, all words', () => {
  const it = item('a', { severity: 'high', rule: 'curfew', wearer: 'W-17', zone: 'home-17' });
  const check = (change, expected) => {
    const filter = everything();
    change(filter);
    assert.equal(matches(filter, it, { ...context, names: () => 'Anna Home of Anna' }), expected);
    assert.ok(narrows(filter));
  };
  check((filter) => filter.severity.add('high').add('low'), true);
  check((filter) => filter.severity.add('low'), false);
  check((filter) => filter.family.add('curfew'), true);
  check((filter) => filter.family.add('zone'), false);
  check((filter) => filter.handling.add('claimed'), false);
  check((filter) => { filter.text = 'anna W-17'; }, true);
  check((filter) => { filter.text = 'during curfew'; }, true);
  check((filter) => { filter.text = 'anna park'; }, false);
  check((filter) => { filter.mine = true; }, false);
  assert.ok(!narrows(everything()));
});

test('mine is what I claimed, or acknowledged while nobody else is on it', () => {
  const claim = { by: 'bob', since: '2026-11-21T19:59:00.000Z', until: '2026-11-21T20:01:00.000Z' };
  const acknowledged = { by: 'ann', at: '2026-11-21T19:59:00.000Z' };
  assert.ok(isMine(item('a', {}, { state: 'acknowledged', acknowledged }), context));
  assert.ok(!isMine(item('a', {}, { state: 'acknowledged', acknowledged, claim }), context));
  assert.ok(isMine(item('a', {}, { state: 'acknowledged', acknowledged, claim: { ...claim, by: 'ann' } }), context));
});

test('counts are of all alerts, and a lapsed claim counts as new', () => {
  const claim = { by: 'bob', since: '2026-11-21T19:50:00.000Z', until: '2026-11-21T19:52:00.000Z' };
  const sums = counts([item('a', {}, { state: 'claimed', claim }), item('b', { severity: 'low', rule: 'power.low' })], context);
  assert.deepEqual(sums, { all: 2, mine: 0, urgent: 1, severity: { critical: 1, low: 1 }, handling: { new: 2 }, family: { zone: 1, power: 1 } });
});

test('while the list is held nothing that is drawn moves', () => {
  const it = board(item('a', { severity: 'high' }), item('b', { severity: 'low' }));
  it.held = true;
  assert.ok(it.put(item('z', { severity: 'critical' })).fresh);
  it.put(item('b', { severity: 'critical', revision: 2 }));
  it.put(item('a', {}, { version: 2, state: 'closed', closed: { by: 'bob', at: '' } }));
  assert.equal(it.breathe(), false);
  assert.deepEqual(it.shown, ['a', 'b']);
  assert.deepEqual(it.waiting(), ['z']);
  assert.ok(it.isShade('a'), 'what was closed stays in its place as a shade');
  assert.equal(it.get('b').alert.severity, 'critical', 'but its row tells the news');
  it.held = false;
  assert.equal(it.breathe(), true);
  assert.deepEqual(it.shown, ['b', 'z']);
  assert.equal(it.get('a'), undefined);
  it.stale();
  assert.equal(it.breathe(), false, 'the same list again is no movement');
});

test('a claim that lapses makes the board look again, once', () => {
  const claim = { by: 'bob', since: '2026-11-21T19:58:30.000Z', until: '2026-11-21T20:00:30.000Z' };
  let now = NOW;
  const it = new Board(() => ({ me: 'ann', now }));
  it.load([item('a', {}, { state: 'claimed', claim })]);
  it.tick(now);
  assert.deepEqual(it.counts().handling, { claimed: 1 });
  now += 31000;
  it.tick(now);
  assert.deepEqual(it.counts().handling, { new: 1 });
  const before = it.counts();
  it.tick(now + 1000);
  assert.equal(it.counts(), before, 'nothing is counted anew without a reason');
});

test('only a renewal of my own claim is no change', () => {
  const claim = { by: 'ann', since: '2026-11-21T19:58:30.000Z', until: '2026-11-21T20:00:30.000Z' };
  const renewed = { ...claim, until: '2026-11-21T20:01:00.000Z' };
  const was = item('a', {}, { version: 2, state: 'claimed', claim }).handling;
  assert.ok(onlyRenewed(was, { ...was, version: 3, claim: renewed }, 'ann'));
  assert.ok(!onlyRenewed(was, { ...was, version: 3, claim: renewed }, 'bob'));
  assert.ok(!onlyRenewed(was, { ...was, version: 3 }, 'ann'), 'somebody wrote a note');
  assert.ok(!onlyRenewed(was, { ...was, version: 4, claim: renewed }, 'ann'));
});

test('a closed alert does not come in again as new', () => {
  const it = board();
  const closed = item('a', {}, { version: 5, state: 'closed', closed: { by: 'bob', at: '' } });
  assert.equal(it.put(closed).fresh, false);
  assert.equal(it.items.size, 0);
});

test('the selection moves within what is drawn, and stops at the ends', () => {
  const it = board(item('a', { severity: 'critical' }), item('b', { severity: 'high' }), item('c', { severity: 'low' }));
  assert.equal(it.neighbour(null, 1), 'a');
  assert.equal(it.neighbour('a', 1), 'b');
  assert.equal(it.neighbour('c', 1), 'c');
  assert.equal(it.neighbour('c', -Infinity), 'a');
  assert.equal(it.neighbour('gone', -1), 'c');
  assert.equal(board().neighbour(null, 1), null);
});

test('what has waited longest is the oldest of the worst that nobody has acknowledged', () => {
  const it = board(
    item('a', { severity: 'critical', start: '2026-11-21T19:30:00.000Z' }, { state: 'acknowledged' }),
    item('b', { severity: 'critical', start: '2026-11-21T19:40:00.000Z' }),
    item('c', { severity: 'critical', start: '2026-11-21T19:35:00.000Z' }),
    item('d', { severity: 'low', start: '2026-11-20T19:35:00.000Z' }),
  );
  assert.equal(it.longestWaiting().alert.id, 'c');
});

test('ten thousand alerts are taken in, and news of them keeps its place', () => {
  const many = Array.from({ length: 10000 }, (_, at) => item(`id-${at}`, {
    severity: ['critical', 'high', 'medium', 'low'][at % 4], start: new Date(NOW - ((at * 7919) % 86400) * 1000).toISOString(),
  }));
  const it = board(...many);
  assert.equal(it.shown.length, 10000);
  for (let at = 0; at < 20; at += 1) {
    it.put(item(`new-${at}`, { severity: 'high' }));
    it.breathe();
  }
  assert.equal(it.shown.length, 10020);
});
