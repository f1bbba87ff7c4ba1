// What goes wrong between an app and its hub, told apart by a code.

/**
 * Codes:
 * - `no_hub`: none runs on this data directory, or it has no TLS address; start one.
 * - `untrusted`: a file or directory is open to others or belongs to somebody else.
 * - `damaged`: a file does not hold what it should; it is never replaced.
 * - `wrong_key`: whoever answers there is not the hub.
 * - `unreachable`: nobody answers there, or the connection broke.
 * - `refused`: the owner, or the hub, said no.
 * - `misuse`: the call cannot mean anything.
 */
export class HubError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = 'HubError';
    this.code = code;
  }
}
