// The certificate that carries an app's key through a TLS handshake: signed by itself, X.509 version 3.
//
// Its name and dates are there for programs that insist on some; to a hub only the key means anything.
// Source: RFC 5280, section 4.1, and RFC 8410 for the key and the signature.

import { createHash, createPublicKey, sign } from 'node:crypto';

const TAG = {
  integer: 0x02, bitString: 0x03, objectId: 0x06, utf8String: 0x0c, utcTime: 0x17,
  generalizedTime: 0x18, sequence: 0x30, set: 0x31, version: 0xa0,
};

/** 1.3.101.112, Ed25519. */
const ED25519 = Buffer.from([0x2b, 0x65, 0x70]);

/** 2.5.4.3, the common name. */
const COMMON_NAME = Buffer.from([0x55, 0x04, 0x03]);

/** Version 3 is written as 2. */
const VERSION_3 = Buffer.from([2]);

/** From 1975 to 4096: a key does not expire. */
const NOT_BEFORE = '750101000000Z';
const NOT_AFTER = '40960101000000Z';

/** Bytes of the serial number, which has nothing to count. */
const SERIAL_BYTES = 16;

/** Lines of PEM are 64 characters long. */
const PEM_LINE = /.{1,64}/g;

/** One value in DER: what kind it is, how long, and its contents. */
function der(tag, ...contents) {
  const body = Buffer.concat(contents.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body)]), body]);
}

function lengthOf({ length }) {
  if (length < 0x80) return [length];
  const bytes = length < 0x100 ? [length] : [length >> 8, length & 0xff];
  return [0x80 | bytes.length, ...bytes];
}

/** Bits in whole bytes: none of the last one is unused. */
function bitString(bytes) {
  return der(TAG.bitString, [0], bytes);
}

function nameOf(text) {
  const attribute = der(TAG.sequence, der(TAG.objectId, COMMON_NAME), der(TAG.utf8String, text));
  return der(TAG.sequence, der(TAG.set, attribute));
}

/** A positive number that follows from the key. */
function serialOf(publicKey) {
  const digest = createHash('sha256').update(publicKey).digest().subarray(0, SERIAL_BYTES);
  digest[0] = (digest[0] & 0x3f) | 0x40;
  return der(TAG.integer, digest);
}

/** The certificate of an Ed25519 secret key (a `KeyObject`), as PEM; the same each time. */
export function certificateOf(secretKey, name = 'larder-app') {
  const publicKey = createPublicKey(secretKey).export({ type: 'spki', format: 'der' });
  const algorithm = der(TAG.sequence, der(TAG.objectId, ED25519));
  const validity = der(TAG.sequence, der(TAG.utcTime, NOT_BEFORE), der(TAG.generalizedTime, NOT_AFTER));
  const signed = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, VERSION_3)),
    serialOf(publicKey),
    algorithm,
    nameOf(name),
    validity,
    nameOf(name),
    publicKey,
  );
  const certificate = der(TAG.sequence, signed, algorithm, bitString(sign(null, signed, secretKey)));
  const lines = certificate.toString('base64').match(PEM_LINE);
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
