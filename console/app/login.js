/**
 * Logging in: a token is exchanged for a session that no script can read.
 *
 * A token in the fragment of the address (`#token=…`, as the demo prints it) is taken and removed at once. The token is kept
 * nowhere. Deliberately absent: remembering it.
 */

import { fill, h } from './dom.js';
import * as api from './api.js';

/** @returns {string|null} the token of the address, which has none afterwards */
export function tokenOfAddress() {
  const found = /[#&]token=([^&]+)/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return decodeURIComponent(found[1]);
}

/** @returns {Promise<any|null>} the session that stands, if one does */
export async function standingSession() {
  try {
    return await api.session();
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) return null;
    throw problem;
  }
}

/**
 * Shows the form until somebody is logged in.
 * @param {HTMLElement} element @param {string} [said] why it is shown again @returns {Promise<void>}
 */
export function ask(element, said = '') {
  return new Promise((done) => {
    const token = h('input', { type: 'password', name: 'token', required: true, autocomplete: 'current-password', autofocus: true });
    const wrong = h('p', { class: 'wrong', role: 'alert' }, said);
    const button = h('button', { class: 'button loud' }, 'Log in');
    const send = async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        await api.logIn(token.value.trim());
        element.replaceChildren();
        done();
      } catch (problem) {
        fill(wrong, [problem.status === 401 ? 'This token is not known.' : `${problem.message}.`]);
        button.disabled = false;
        token.select();
      }
    };
    fill(element, [h('form', { on: { submit: send } },
      h('h1', { class: 'brand' }, h('img', { src: '/assets/mark.svg', alt: '' }), 'Bailiwick'),
      h('p', {}, 'The live queue of your agency. Your token names you on every decision.'),
      h('label', {}, 'Token', token), button, wrong)]);
    token.focus();
  });
}
