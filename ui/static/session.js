// How a session of these pages begins and ends.

import { answer, keep } from './api.js';
import { copyable } from './parts.js';
import { explain } from './notice.js';
import { fill, h } from './dom.js';

/** Uses the code of a one-time link, where the address holds one, and takes it out of the address. */
export async function enter() {
  const code = /^#login=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
  if (!code) return;
  history.replaceState(null, '', `${location.pathname}#/`);
  const response = await answer('POST', '/_hub/session', { code });
  keep((await response.json()).csrf);
}

/** Ends the session in this browser. */
export async function leave() {
  await answer('DELETE', '/_hub/session').catch(() => {});
  keep('');
  outside('You are logged out.');
}

/** What is shown to whoever is not logged in. */
export function outside(reason) {
  const words = typeof reason === 'string' ? reason : reason && explain(reason);
  const heading = h('h1', { tabindex: '-1' }, 'Larder');
  fill(document.body, h('main.alone', { id: 'main' }, heading,
    words && h('p', { role: 'alert' }, words),
    h('p', {}, 'These pages show everything that is yours, so they open by a link that works once. In a terminal on this device:'),
    copyable('Command', 'larder open'),
    h('p.quiet', {}, 'Follow the link that it prints, or let ', h('code', {}, 'larder open --browser'), ' do it.')));
  document.body.classList.add('bare');
  document.title = 'Larder';
  heading.focus();
}
