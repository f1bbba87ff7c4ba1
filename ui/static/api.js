// Requests to the hub. Each carries the word of this session, beside the cookie that scripts do not see.

const WORD = 'larder-csrf';
const HEADER = 'X-Larder-CSRF';

/** What a request was refused with. */
export class Refusal extends Error {
  constructor(status, word, reason, path = '') {
    super(reason || word || `The hub answered ${status}.`);
    this.status = status;
    this.word = word;
    this.path = path;
  }

  /** Whether this release of the hub has no such thing. */
  get notOffered() {
    const unknown = (this.status === 404 && this.message === 'missing') || this.status === 405;
    return this.status === 501 || (unknown && this.path.startsWith('/_hub/'));
  }
}

let whenLoggedOut = () => {};

/** Who is told that the session has ended. */
export function onLoggedOut(listener) {
  whenLoggedOut = listener;
}

export function word() {
  try {
    return localStorage.getItem(WORD) ?? '';
  } catch {
    return kept;
  }
}

let kept = '';

/** Keeps the word of a new session, or forgets it. */
export function keep(text) {
  kept = text;
  try {
    if (text) localStorage.setItem(WORD, text);
    else localStorage.removeItem(WORD);
  } catch {
    // A browser that keeps nothing loses the session with the page.
  }
}

/** A path from segments, each escaped: `at('notes', id)`. */
export function at(...segments) {
  return `/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`;
}

/** `?a=1&b=2`, without what is undefined. */
export function query(options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
}

/** Sends a request; the response, whatever its status. */
export async function send(method, path, body, { signal, headers = {} } = {}) {
  const raw = body instanceof Blob;
  const sent = {
    method,
    signal,
    headers: { Accept: 'application/json', ...headers, [HEADER]: word() },
    body: body === undefined || raw ? body : JSON.stringify(body),
    cache: 'no-store',
    credentials: 'same-origin',
    redirect: 'error',
  };
  if (body !== undefined && !raw) sent.headers['Content-Type'] = 'application/json';
  try {
    return await fetch(path, sent);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, 'unreachable', 'The hub does not answer. Is it running?');
  }
}

/** Sends a request; the response, unless it is a refusal. */
export async function answer(method, path, body, options) {
  const response = await send(method, path, body, options);
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  if (response.status === 401 && path !== '/_hub/session') whenLoggedOut();
  throw new Refusal(response.status, String(said.error ?? ''), String(said.reason ?? ''), path);
}

async function json(method, path, body, options) {
  return (await answer(method, path, body, options)).json();
}

export const get = (path, options) => json('GET', path, undefined, options);
export const post = (path, body = {}) => json('POST', path, body);
export const put = (path, body = {}) => json('PUT', path, body);
export const remove = (path) => json('DELETE', path);

/** What a request gives, or `otherwise` where this hub does not offer it. */
export async function offered(path, otherwise = null) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof Refusal && error.notOffered) return otherwise;
    throw error;
  }
}

/** Fetches a file and has the browser keep it under this name; `come` is told how many bytes have come. */
export async function download(path, name, { method = 'GET', come = () => {} } = {}) {
  const response = await answer(method, path, method === 'GET' ? undefined : {}, { headers: { Accept: '*/*' } });
  const [reader, pieces] = [response.body.getReader(), []];
  for (let bytes = 0; ;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    bytes += value.length;
    come(bytes);
  }
  save(new Blob(pieces), name);
}

/** Has the browser keep some bytes. */
export function save(blob, name) {
  const address = URL.createObjectURL(new Blob([blob], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
