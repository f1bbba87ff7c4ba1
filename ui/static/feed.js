// What happens at the hub, as it happens. A browser's `EventSource` cannot carry the word of the session.

import { answer } from './api.js';

const listeners = new Set();
const KEPT_MAX = 100;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

/** The events since these pages were opened, the newest first. */
export const recent = [];

/** Calls the listener with each event; what it returns stops that. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(event) {
  if (event.at) {
    recent.unshift(event);
    recent.length = Math.min(recent.length, KEPT_MAX);
  }
  for (const listener of listeners) listener(event);
}

/**
 * Listens until the signal ends it, again and again where the connection breaks; not while nobody looks,
 * since browsers have few connections to one host for all their tabs together.
 */
export async function follow(signal) {
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    await looked();
    const connection = new AbortController();
    const end = () => (document.hidden || signal.aborted) && connection.abort();
    document.addEventListener('visibilitychange', end);
    signal.addEventListener('abort', end);
    try {
      const response = await answer('GET', '/_hub/events', undefined, { signal: connection.signal });
      pause = FIRST_PAUSE_MS;
      tell({ event: 'open' });
      await read(response.body);
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
    } finally {
      document.removeEventListener('visibilitychange', end);
      signal.removeEventListener('abort', end);
    }
    if (connection.signal.aborted) continue;
    tell({ event: 'closed' });
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

/** Resolves when somebody looks at the page. */
async function looked() {
  while (document.hidden) {
    await new Promise((resolve) => { document.addEventListener('visibilitychange', resolve, { once: true }); });
  }
}

async function read(body) {
  const [reader, decoder] = [body.getReader(), new TextDecoder()];
  for (let text = ''; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + decoder.decode(value, { stream: true })).split('\n');
    text = lines.pop();
    for (const line of lines.filter(Boolean)) tell(JSON.parse(line));
  }
}
