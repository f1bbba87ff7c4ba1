// A `fetch` for one hub, under the app's certificate.

import https from 'node:https';
import { Readable } from 'node:stream';
import { HubAgent } from './agent.js';
import { HubError } from './error.js';

/** Bytes of an answer that wait for their reader; the hub waits past that. */
const WAITING_BYTES_MAX = 64 * 1024;

/** Statuses whose answers have no body. */
const BODILESS = new Set([204, 205, 304]);

/** Statuses that send a caller elsewhere. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Headers that belong to a connection, that say how an answer comes (bodies arrive as they are), or
 * that would be a second proof beside the certificate, which a hub refuses.
 */
const NOT_SENT = new Set([
  'accept-encoding', 'authorization', 'connection', 'content-length', 'cookie', 'expect', 'host',
  'keep-alive', 'origin', 'referer', 'te', 'trailer', 'transfer-encoding', 'upgrade',
]);

/**
 * A WHATWG `fetch` for the hub at `url` (https) that holds `hubKey`, under the app's `key` and
 * `certificate` (PEM). It takes addresses at that hub only, whole or from `/` on; it never follows a redirect.
 * Feeds and bodies stream both ways; signals abort. `close()` ends its connections.
 *
 * Throws a `HubError` (`misuse`) or the TLS library's error when it cannot be used; its promises reject with a
 * `TypeError`, as every fetch does, whose `cause` is the `HubError`: `wrong_key`, `unreachable`, `misuse`.
 */
export function hubFetch({ url, hubKey, key, certificate }) {
  const base = new URL(url);
  if (base.protocol !== 'https:') throw new HubError('misuse', `${base.origin} is no https address`);
  // Its name would go to a name server.
  if (/(^|\.)onion\.*$/.test(base.hostname)) throw new HubError('misuse', `${base.origin} is an onion service: a hub reaches it, an app asks the hub of its own device`);
  const agent = new HubAgent({ url: base, hubKey, key, certificate });
  const fetch = async (input, init) => send(agent, await requestTo(base, input, init));
  fetch.close = () => agent.destroy();
  return fetch;
}

/** What is asked for, as long as it is asked of this hub; `body` is null, bytes or a stream. */
async function requestTo(base, input, init = {}) {
  const whole = input instanceof Request;
  const { signal = whole ? input.signal : undefined, ...rest } = init;
  const streamed = isStream(rest.body) || (whole && !rest.body && input.body !== null);
  // The signal is followed here: a `Request` holds the one it is given only weakly.
  const given = { ...rest, signal: null, ...(streamed && { duplex: 'half' }) };
  const request = new Request(whole ? input : new URL(input, base.origin), given);
  const { origin } = new URL(request.url);
  if (origin !== base.origin) throw failed(new HubError('misuse', `${origin} is not the hub at ${base.origin}`));
  const { url, method, headers, redirect } = request;
  const body = streamed || request.body === null ? request.body : Buffer.from(await request.arrayBuffer());
  return { url, method, headers, redirect, signal, body };
}

function isStream(body) {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

function headersOf({ headers, body }) {
  const sent = Object.fromEntries([...headers].filter(([name]) => !NOT_SENT.has(name)));
  return Buffer.isBuffer(body) ? { ...sent, 'content-length': body.length } : sent;
}

function send(agent, request) {
  const { url, method, signal, body } = request;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const outgoing = https.request(url, { agent, method, headers: headersOf(request) });
    let incoming;
    const abort = () => {
      reject(signal.reason);
      incoming?.destroy(signal.reason);
      outgoing.destroy();
    };
    signal?.addEventListener('abort', abort, { once: true });
    outgoing.once('close', () => signal?.removeEventListener('abort', abort));
    // Once the answer is there, its body tells of what breaks.
    outgoing.on('error', (error) => reject(failed(error)));
    outgoing.once('response', (response) => {
      incoming = response;
      try {
        resolve(answer(request, response));
      } catch (error) {
        response.destroy();
        reject(error);
      }
    });
    write(outgoing, body);
  });
}

function write(outgoing, body) {
  if (body === null || Buffer.isBuffer(body)) {
    outgoing.end(body);
  } else {
    Readable.fromWeb(body).once('error', (error) => outgoing.destroy(error)).pipe(outgoing);
  }
}

/** The answer, its body yet to come. */
function answer(request, incoming) {
  const { statusCode: status, statusMessage: statusText, rawHeaders } = incoming;
  if (REDIRECTS.has(status) && request.redirect !== 'manual') {
    throw failed(new HubError('refused', `the hub answered with a redirect (${status})`));
  }
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
  const bodiless = request.method === 'HEAD' || BODILESS.has(status);
  if (bodiless) incoming.resume();
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX });
  const body = bodiless ? null : Readable.toWeb(incoming, { strategy });
  const response = new Response(body, { status, statusText, headers });
  Object.defineProperty(response, 'url', { value: request.url });
  // By this PouchDB in Node tells who gives it attachments as it wants them.
  const buffer = async () => Buffer.from(await response.arrayBuffer());
  return Object.defineProperty(response, 'buffer', { value: buffer });
}

function failed(cause) {
  const known = cause instanceof HubError ? cause : new HubError('unreachable', cause.message, { cause });
  return new TypeError(`fetch failed: ${known.message}`, { cause: known });
}
