// A stand-in for a hub: TLS as a hub speaks it, under any key and certificate.

import { once } from 'node:events';
import { createServer } from 'node:https';
import { makeKey } from '../index.js';
import { keyToText } from '../lib/base32.js';

/** The app whose certificate a request came with; null when it came without one. */
export function callerOf({ socket }) {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return null;
  return keyToText(Buffer.from(certificate.publicKey.export({ format: 'jwk' }).x, 'base64url'));
}

/** Serves until the test ends; `url`, the key it holds, and how many requests reached it. */
export async function standIn(test, serve, { identity = makeKey(), tls = {} } = {}) {
  const server = createServer({
    key: identity.key, cert: identity.certificate, minVersion: 'TLSv1.3', requestCert: true,
    rejectUnauthorized: false, ...tls,
  });
  const stand = { identity, requests: 0, connections: 0 };
  server.on('request', (request, response) => {
    stand.requests += 1;
    serve(request, response);
  });
  server.on('secureConnection', () => { stand.connections += 1; });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stand.url = `https://127.0.0.1:${server.address().port}/`;
  test.after(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections?.();
  }));
  return stand;
}

/** The error that an action ends with. */
export async function failure(action) {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure');
}
