// How an app is let in: its owner approves its key, or gave it a one-time code.

import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { json } from 'node:stream/consumers';
import { HubError } from './error.js';
import { hubFetch } from './fetch.js';

/** How often the hub is asked whether the owner has decided, in milliseconds. */
const ASKED_EVERY_MS = 1000;

/**
 * Asks the hub to let the app in under this name, with these databases (`{ name, write }`), and resolves
 * once its owner has approved, at once where that was before: `larder app approve NAME`. `app` is what
 * `loadOrMakeKey` gives, `hub` what `findHub` does. `onWaiting` is called when the owner has to decide;
 * `signal` ends the waiting.
 *
 * Rejects with a `HubError`: `refused`, `unreachable`.
 */
export async function enrol({ hub, app, name, databases, onWaiting = () => {}, signal }) {
  const asked = { name, key: app.publicKey, databases };
  let { state } = await control(hub, 'POST', '/_hub/enrolments', asked);
  if (state === 'waiting') onWaiting();
  while (state === 'waiting') {
    await pause(ASKED_EVERY_MS, undefined, { signal });
    ({ state } = await control(hub, 'GET', `/_hub/enrolments/${encodeURIComponent(name)}`));
  }
  if (state !== 'approved') throw new HubError('refused', `the owner did not let ${name} in`);
}

/**
 * Enrols with a code that the owner made: `larder app code NAME --db DB:rw`. Resolves with the databases
 * that it is good for. `hub` needs `url` and `key` only, so the hub may be elsewhere.
 */
export async function enrolWithCode({ hub, app, name, code, signal }) {
  const fetch = hubFetch({ url: hub.url, hubKey: hub.key, ...app });
  try {
    const body = JSON.stringify({ code, name });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch('/_hub/enrol', { method: 'POST', headers, body, signal });
    const { databases } = decided(response.status, await response.json());
    return databases;
  } finally {
    fetch.close();
  }
}

/** What the hub answers over its control socket, which only its own person can reach. */
async function control({ controlSocket: socketPath }, method, path, body) {
  let incoming;
  try {
    incoming = await new Promise((resolve, reject) => {
      const headers = { host: 'localhost', 'content-type': 'application/json' };
      const outgoing = http.request({ socketPath, method, path, headers, agent: false }, resolve);
      outgoing.once('error', reject).end(body && JSON.stringify(body));
    });
    return decided(incoming.statusCode, await json(incoming));
  } catch (cause) {
    if (cause instanceof HubError) throw cause;
    throw new HubError('unreachable', `the hub does not answer: ${cause.message}`, { cause });
  }
}

function decided(status, answer) {
  if (status >= 200 && status < 300) return answer;
  throw new HubError('refused', `the hub answered ${status}: ${answer?.reason ?? answer?.error}`);
}
