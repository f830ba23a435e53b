// What the page says in sentences, and its times. Deliberately absent: sentences of the service, which are shown as they are.

import assert from 'node:assert/strict';
import test from 'node:test';

import { channelTitle, differences, entryTitle, evidence, freshness, handlingSentence, handlingShort, metres, parameters, percent, timeline, told, trouble, unanswered } from '../../console/app/sentence.js';
import { age, clock, moment, readable, span } from '../../console/app/time.js';
import { dispositionTitle, ruleFamily, ruleTitle } from '../../console/app/words.js';
import { item } from './items.mjs';

const NOW = Date.parse('2026-11-21T20:00:00.000Z');
const SECOND = 1000;

test('ages have one unit, or two where hours and days need them', () => {
  const check = (seconds, expected) => assert.equal(age(seconds * SECOND), expected);
  check(-5, '0 s');
  check(59, '59 s');
  check(60, '1 min');
  check(3599, '59 min');
  check(3900, '1 h 05');
  check(90000, '1 d 1 h');
  assert.equal(age(NaN), '–');
});

test('spans are written as the service writes them', () => {
  assert.equal(span(400 * SECOND), '6 min 40 s');
  assert.equal(span(1800 * SECOND), '30 min');
  assert.equal(span(259200 * SECOND), '3 d');
});

test('moments are on the wall clock, with the day where that is not today', () => {
  assert.equal(clock(NOW, 'Europe/Vaduz'), '21:00:00');
  assert.equal(moment('2026-11-21T19:00:01.500Z', NOW, { zone: 'UTC', fine: true }), '19:00:01.500');
  assert.equal(moment('2026-11-20T19:00:01.500Z', NOW, { zone: 'UTC' }), '20 Nov, 19:00:01');
  assert.equal(moment('2026-11-21T23:30:00.000Z', NOW, { zone: 'Europe/Vaduz' }), '22 Nov, 00:30:00');
  assert.equal(moment(null, NOW), '–');
  assert.equal(readable('last received 2026-11-21T19:00:00.000Z', NOW, 'UTC'), 'last received 19:00:00');
});

test('the evidence is one sentence', () => {
  const says = (alert) => evidence(item('a', alert).alert);
  const { reason } = item('a').alert;
  assert.equal(says({}), 'The last fix lies 42 m inside the boundary, accurate to 9.0 m: 98.8 % likely to be inside; 1 report speaks for it.');
  assert.equal(
    says({ rule: 'curfew', reason: { ...reason, distance_m: 1320.5, probability: 0.0000004, reports: ['a', 'b'] } }),
    'The last fix lies 1.3 km outside the boundary, accurate to 9.0 m: less than 0.1 % likely to be inside; 2 reports speak for it.');
  assert.equal(
    says({ rule: 'zone.buffer', reason: { ...reason, accuracy_m: null, probability: null } }),
    'The last fix lies 42 m inside the outer edge of the warning ring; 1 report speaks for it.');
  const none = { ...reason, distance_m: null, accuracy_m: null, probability: null, reports: [] };
  assert.equal(says({ rule: 'contact.lost', reason: { ...none, parameters: { contact_silence_s: 900 } } }), 'Nothing came for longer than the 15 min that are allowed for this wearer.');
  assert.equal(says({ rule: 'power.low', reason: { ...none, parameters: { power_low_percent: 30 }, notes: ['charge 28 %'] } }), 'Charge 28 %; the limit is 30 %.');
  assert.equal(says({ rule: 'panic', reason: { ...none, reports: ['a'] } }), '1 report says so.');
  assert.equal(says({ rule: 'duty.checkin', reason: none, anchor: 'deadline 2026-11-21T19:00:00.000Z' }), 'It follows from a deadline: 2026-11-21T19:00:00.000Z.');
});

test('numbers are as fine as they help', () => {
  assert.equal(metres(-9.26), '9.3 m');
  assert.equal(metres(12345), '12 km');
  assert.equal(percent(0.99999), 'more than 99.9 %');
  assert.equal(percent(1), 'more than 99.9 %');
  assert.deepEqual(parameters({ enter_fixes: 1, inside_probability: 0.5, contact_silence_s: 1800, power_low_percent: 30 }), [
    ['enter fixes', '1'], ['inside probability', '0.5'], ['contact silence', '30 min'], ['power low', '30 %'],
  ]);
});

test('handling is told with who and when', () => {
  const claim = { by: 'bob', since: '2026-11-21T19:55:00.000Z', until: '2026-11-21T20:01:00.000Z' };
  const acknowledged = { by: 'ann', at: '2026-11-21T19:56:00.000Z' };
  const handling = item('a', {}, { state: 'acknowledged', claim, acknowledged }).handling;
  assert.equal(handlingSentence(handling, 'ann', 'UTC'), 'Claimed by bob since 19:55, acknowledged by you at 19:56.');
  assert.equal(handlingShort(handling, 'bob'), 'Claimed · you');
  assert.equal(handlingShort({ ...handling, claim: null }, 'bob'), 'Seen · ann');
  assert.equal(handlingSentence(item('a').handling, 'ann'), 'New: nobody has taken it up.');
  const closed = { ...handling, state: 'closed', claim: null, closed: { by: 'bob', at: '2026-11-21T19:58:00.000Z' }, disposition: 'location_error' };
  assert.equal(handlingSentence(closed, 'ann', 'UTC'), 'Closed by bob at 19:58: location error.');
});

test('what others did meanwhile is told in sentences', () => {
  const before = item('a');
  const acknowledged = { by: 'bob', at: '2026-11-21T19:59:50.000Z' };
  const claim = { by: 'bob', since: '2026-11-21T19:59:30.000Z', until: '2026-11-21T20:02:00.000Z' };
  const after = item('a', { status: 'ended' }, { version: 3, state: 'acknowledged', acknowledged, claim });
  const told = differences(before, after, 'ann', NOW);
  assert.equal(told.length, 3);
  assert.match(told[0], /^bob acknowledged it at \d\d:\d\d:50\.$/);
  assert.equal(told[1], 'bob claimed it 30 s ago.');
  assert.equal(told[2], 'The condition is ended now.');
  assert.deepEqual(differences(before, item('a', {}, { version: 2 }), 'ann', NOW), ['Something was noted on it.']);
  assert.deepEqual(differences(before, before, 'ann', NOW), []);
});

test('the timeline joins both histories, newest first, and folds renewals', () => {
  const revision = item('a').alert;
  const entry = (at, command, actor = 'ann', more = {}) => ({ version: 2, at, actor, command, note: null, disposition: null, state: 'claimed', ...more });
  const told = timeline([revision, { ...revision, revision: 2, revision_kind: 'ended', decided_at: '2026-11-21T19:10:00.000Z' }], [
    entry('2026-11-21T19:01:00.000Z', 'claim'), entry('2026-11-21T19:01:30.000Z', 'claim'), entry('2026-11-21T19:02:00.000Z', 'claim'),
    entry('2026-11-21T19:03:00.000Z', 'claim', 'bob'),
    entry('2026-11-21T19:11:00.000Z', 'close', 'bob', { disposition: 'location_error', note: 'a jump' }),
  ]);
  assert.deepEqual(told.map((it) => [it.title, it.who, it.times]), [
    ['Closed as location error', 'bob', 1], ['Ended', null, 1], ['Claimed', 'bob', 1], ['Claimed', 'ann', 3], ['Opened', null, 1],
  ]);
});

test('what was sent says how far it got, and who sent it again', () => {
  const attempt = (outcome, more = {}) => ({ at: '2026-11-21T19:00:00.000Z', outcome, reason: '', actor: null, ...more });
  const sent = (state, attempts, more = {}) => ({ number: 7, to: 'officer/o-1', channel: 'push', state, revision: 1, settled_at: null, created_at: '2026-11-21T19:00:00.000Z', attempts, ...more });
  const check = (delivery, reason, tries) => assert.deepEqual(told([delivery]).map((it) => [it.number, it.state, it.reason, it.tries]), [[7, delivery.state, reason, tries]]);
  check(sent('accepted', [attempt('accepted')]), '', 1);
  check(sent('accepted', [attempt('accepted_by_broker')]), 'by the broker; whether anybody reads there is not known', 1);
  check(sent('dead', [attempt('lasting', { reason: 'HTTP 403' })]), 'HTTP 403', 1);
  check(sent('queued', [attempt('lasting'), attempt('sent_again', { actor: 'ann' })]), 'sent again by ann', 1);
  check(sent('queued', [attempt('no_receiver')]), 'no receiver', 1);
});

test('the picture is doubtful when the service is quiet, behind, or nothing arrives', () => {
  const check = (change, grade) => assert.equal(freshness({ now: NOW, receivedAt: NOW - 2000, lagMs: 0, silentMs: 1000, ...change }).grade, grade);
  check({}, 'good');
  check({ silentMs: 9000 }, 'doubtful');
  check({ silentMs: 13000 }, 'bad');
  check({ lagMs: 6000 }, 'doubtful');
  check({ lagMs: 31000 }, 'bad');
  check({ receivedAt: NOW - 61000 }, 'doubtful');
  check({ receivedAt: NaN }, 'good');
  assert.equal(freshness({ now: NOW, receivedAt: NOW - 2000, lagMs: 0, silentMs: 0 }).text, 'data 2 s old');
  assert.equal(freshness({ now: NOW, receivedAt: NOW, lagMs: 42000, silentMs: 0 }).text, '42 s behind');
  assert.equal(freshness({ now: NOW, receivedAt: NaN, lagMs: 0, silentMs: 0 }).text, 'no data yet');
});

test('a trouble is a sentence', () => {
  assert.equal(trouble({ kind: 'store', since: '2026-11-21T19:58:00.000Z', detail: 'the disk is full' }, NOW), 'Nothing can be stored: the disk is full (for 2 min).');
});

test('words that are not known stand for themselves', () => {
  assert.equal(ruleTitle('zone.exclusion'), 'Inside exclusion zone');
  assert.equal(ruleTitle('speed.limit'), 'Speed limit');
  assert.equal(ruleFamily('speed.limit'), 'speed');
  assert.equal(dispositionTitle('new_finding'), 'New finding');
});

test('a step of a ladder says why it was taken and whom it tells', () => {
  const step = (why, to) => entryTitle({ command: 'escalate', disposition: null, why, to });
  assert.equal(step('unacknowledged', 'officer/o-2'), 'Nobody acknowledged: to officer o-2');
  assert.equal(step('nobody_to_tell', 'desk'), 'Nobody to tell: to the desk');
  assert.equal(step('undelivered', 'desk'), 'Not delivered: to the desk');
});

test('of what was sent, the newest to each receiver is told', () => {
  const row = (to, channel, state, attempts = []) => ({ to, channel, state, attempts, settled_at: null, created_at: 'c', revision: 1 });
  const failed = [{ at: 'a', outcome: 'timed_out', reason: '' }];
  const rows = told([row('desk', 'mqtt', 'accepted'), row('officer/o-1', 'push', 'failed', failed), row('desk', 'mqtt', 'queued')]);
  assert.deepEqual(rows.map((it) => [it.to, it.channel, it.state, it.at, it.reason]), [
    ['desk', 'mqtt', 'queued', 'c', ''], ['officer/o-1', 'push', 'failed', 'a', 'timed out'],
  ]);
  assert.equal(channelTitle('webhook/court'), 'webhook court');
});

test('the banner names alerts that have climbed to the desk', () => {
  assert.equal(unanswered([]), null);
  assert.equal(unanswered([item('AAAAA1')]), `Nobody has acknowledged an alert in time: AAAAA. Whoever is at the desk takes it up now.`);
  assert.match(unanswered(['A', 'B', 'C', 'D'].map((it) => item(it))), /4 alerts in time: .* and 1 more\. .* takes them up now\.$/);
});
