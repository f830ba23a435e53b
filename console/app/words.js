/**
 * The words of the field as the page says them: severities, rules, states, findings.
 *
 * In: names of the wire. Out: words for people; a name that is not known here stands for itself, so that a newer service
 * never makes an older page blank. Deliberately absent: sentences (see `sentence.js`) and colours (see `styles/base.css`).
 */

/** Severities, from the worst. */
export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'];

/** Handling states that stand in the queue. */
export const UNHANDLED = ['new', 'claimed', 'acknowledged'];

/** @type {Record<string, {title: string, family: string}>} */
const RULES = {
  'zone.exclusion': { title: 'Inside exclusion zone', family: 'zone' },
  'zone.restriction': { title: 'Inside restriction zone', family: 'zone' },
  'zone.buffer': { title: 'In the warning ring', family: 'zone' },
  'zone.inclusion': { title: 'Outside inclusion zone', family: 'zone' },
  curfew: { title: 'Out during curfew', family: 'curfew' },
  'contact.lost': { title: 'Contact lost', family: 'contact' },
  'tamper.strap': { title: 'Strap open or cut', family: 'tamper' },
  'tamper.case': { title: 'Case open', family: 'tamper' },
  'power.low': { title: 'Battery low', family: 'power' },
  'power.critical': { title: 'Battery critical', family: 'power' },
  panic: { title: 'Panic button', family: 'panic' },
  'duty.checkin': { title: 'Check-in overdue', family: 'duty' },
};

/** Families of rules, for the filter, in the order of the list. */
export const FAMILIES = [
  { id: 'zone', title: 'Zones' },
  { id: 'curfew', title: 'Curfew' },
  { id: 'tamper', title: 'Tamper' },
  { id: 'panic', title: 'Panic' },
  { id: 'contact', title: 'Contact' },
  { id: 'power', title: 'Battery' },
  { id: 'duty', title: 'Duties' },
];

/** Findings with which handling ends, as the officer reads them. */
export const DISPOSITIONS = [
  { id: 'verified_violation', title: 'Verified violation', hint: 'found by an officer' },
  { id: 'authorised_absence', title: 'Authorised absence', hint: 'allowed before it happened' },
  { id: 'reasonable_excuse', title: 'Reasonable excuse', hint: 'allowed after the fact' },
  { id: 'equipment_fault', title: 'Equipment fault', hint: 'the device failed' },
  { id: 'location_error', title: 'Location error', hint: 'the position was wrong' },
  { id: 'coverage_loss', title: 'Coverage loss', hint: 'no network where the wearer was' },
  { id: 'charging_lapse', title: 'Charging lapse', hint: 'not charged in time' },
  { id: 'staff_action', title: 'Staff action', hint: 'a swap, a fitting' },
  { id: 'duplicate', title: 'Duplicate', hint: 'the same as another alert' },
  { id: 'test', title: 'Test', hint: 'a drill or a test' },
];

const REVISIONS = {
  opened: 'Opened',
  confirmed: 'Confirmed',
  escalated: 'Escalated',
  repeated: 'Reported again',
  evidence_stopped: 'Evidence stopped',
  evidence_resumed: 'Evidence resumed',
  ended: 'Ended',
  weakened: 'Weakened',
  contradicted: 'Contradicted',
  superseded: 'Superseded',
  retrospective: 'Found in late data',
};

const RISKS = { low: 'low', medium: 'medium', high: 'high', very_high: 'very high' };

const TROUBLES = {
  starting: 'Starting: nothing is judged yet',
  catching_up: 'Catching up with the past',
  store: 'Nothing can be stored',
  lag: 'Behind: what you see is old',
  clock: 'The clock of the service jumped',
  notification: 'Notifications do not go out',
  stopping: 'The service is stopping',
};

/** @param {string} name a name of the wire @returns {string} the same, readable */
function plain(name) {
  const words = String(name).replace(/[_.]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {string} rule @returns {string} what the rule found, in plain words */
export const ruleTitle = (rule) => RULES[rule]?.title ?? plain(rule);

/** @param {string} rule @returns {string} the family of the rule */
export const ruleFamily = (rule) => RULES[rule]?.family ?? String(rule).split('.')[0];

/** @param {string} id @returns {string} the finding in words */
export const dispositionTitle = (id) => DISPOSITIONS.find((it) => it.id === id)?.title ?? plain(id);

/** @param {string} kind @returns {string} what happened to the alert */
export const revisionTitle = (kind) => REVISIONS[kind] ?? plain(kind);

/** @param {string} risk @returns {string} the risk in words */
export const riskTitle = (risk) => RISKS[risk] ?? plain(risk ?? 'unknown').toLowerCase();

/** @param {string} kind @returns {string} the trouble in words */
export const troubleTitle = (kind) => TROUBLES[kind] ?? plain(kind);

/** @param {string} severity @returns {number} 0 for the worst; a word that is not known comes first, so that nothing is hidden */
export function severityRank(severity) {
  return SEVERITIES.indexOf(severity);
}
