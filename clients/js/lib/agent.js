// Connections to the one hub that holds a key: nobody else gets a byte of a request.

import { Agent } from 'node:https';
import tls from 'node:tls';
import { keyFromText, keyToText } from './base32.js';
import { HubError } from './error.js';

/** How long a handshake may take, in milliseconds: an onion service is far away. */
const HANDSHAKE_MS_MAX = 60_000;

/** Connections kept for the next request. */
const IDLE_CONNECTIONS_MAX = 8;

/** The key that the other end has proven, as text; null when it is none of ours. */
function provenKey(socket) {
  // A resumed session proves nothing anew.
  if (socket.getProtocol() !== 'TLSv1.3' || socket.isSessionReused()) return null;
  const key = socket.getPeerX509Certificate()?.publicKey;
  if (key?.asymmetricKeyType !== 'ed25519') return null;
  return keyToText(Buffer.from(key.export({ format: 'jwk' }).x, 'base64url'));
}

/**
 * An agent for `node:https` whose connections show the app's certificate and end at the hub with
 * `hubKey`. Names, dates and authorities mean nothing.
 */
export class HubAgent extends Agent {
  #url;
  #hubKey;
  #options;

  constructor({ url, hubKey, key, certificate }) {
    super({ keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS_MAX });
    keyFromText(hubKey);
    this.#url = url;
    this.#hubKey = hubKey;
    // What cannot be used is refused here rather than with every request.
    this.#options = { secureContext: tls.createSecureContext({ key, cert: certificate, minVersion: 'TLSv1.3' }) };
  }

  createConnection(_options, callback) {
    const socket = tls.connect({
      ...this.#options,
      host: this.#url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(this.#url.port || 443),
      ALPNProtocols: ['http/1.1'],
      // The key is what is verified, below.
      rejectUnauthorized: false,
      // Whom we call is nobody's business on the way.
      servername: '',
    });
    const failed = (error) => {
      socket.destroy();
      callback(error);
    };
    const broken = (cause) => failed(new HubError('unreachable', `no TLS with ${this.#url.host}: ${cause.message}`, { cause }));
    const gone = () => broken(new Error('the connection was closed'));
    const slow = () => broken(new Error('the handshake took too long'));
    socket.setTimeout(HANDSHAKE_MS_MAX, slow).once('error', broken).once('close', gone);
    socket.once('secureConnect', () => {
      socket.setTimeout(0).off('timeout', slow).off('error', broken).off('close', gone);
      if (provenKey(socket) === this.#hubKey) {
        callback(null, socket);
      } else {
        // Its end may come with an error that says no more.
        socket.on('error', () => {});
        failed(new HubError('wrong_key', `whoever answers at ${this.#url.host} is not the hub`));
      }
    });
  }
}
