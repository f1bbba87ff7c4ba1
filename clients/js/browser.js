// What an app in a browser needs to talk to its hub: a `fetch` with the token that `larder app add` printed.

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/**
 * A `fetch` that sends the app's token to the hub at `url`, and refuses every other address. It sends
 * nothing else that could name somebody (no cookie, no referrer), and follows no redirect.
 *
 *   const fetch = tokenFetch({ url: 'http://127.0.0.1:5984/', token });
 *   const notes = new PouchDB('http://127.0.0.1:5984/notes', { fetch });
 *
 * Throws a `TypeError` when the token would leave this machine in clear. `fetch` is the one to build on.
 */
export function tokenFetch({ url, token, fetch = globalThis.fetch }) {
  const base = new URL(url);
  if (base.protocol !== 'https:' && !(base.protocol === 'http:' && LOOPBACK.has(base.hostname))) {
    throw new TypeError(`a token for ${base.origin} would be readable on the way`);
  }
  return async (input, init = {}) => {
    const whole = input instanceof Request;
    const target = new URL(whole ? input.url : input, base.origin);
    if (target.origin !== base.origin) throw new TypeError(`${target.origin} is not the hub at ${base.origin}`);
    const headers = new Headers(init.headers ?? (whole ? input.headers : undefined));
    headers.set('authorization', `Bearer ${token}`);
    const safe = { headers, credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' };
    return fetch(whole ? input : target.href, { ...init, ...safe });
  };
}
