/**
 * The page, put together: log in, load, listen, and let each part know what has changed.
 *
 * Order of things: the list is read with the position of the stream, then the stream goes on from there, so nothing falls
 * between them. Drawing happens once a frame, however much news there was. Deliberately absent: drawing and rules; each has
 * its own module.
 */

import * as api from './api.js';
import * as time from './now.js';
import { ask, standingSession, tokenOfAddress } from './login.js';
import { Console } from './console.js';
import { place } from './dom.js';

/** @returns {Promise<any>} the session, sooner or later */
async function enter() {
  const token = tokenOfAddress();
  let said = '';
  if (token) {
    try {
      await api.logIn(token);
    } catch (problem) {
      said = problem.status === 401 ? 'The token of the address is not known.' : `${problem.message}.`;
    }
  }
  for (;;) {
    try {
      const session = await standingSession();
      if (session) return session;
    } catch (problem) {
      said = `${problem.message}.`;
    }
    place('login').hidden = false;
    await ask(place('login'), said);
    said = '';
  }
}

const session = await enter();
time.set(session.now);
place('login').hidden = true;
place('console').hidden = false;
document.body.dataset.screen = 'console';
await new Console(session).start();
