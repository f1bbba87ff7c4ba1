// Keys as text: 52 lower-case base32 characters (RFC 4648, no padding).

import { HubError } from './error.js';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Bytes of an Ed25519 public key. */
const KEY_BYTES = 32;

/** What stands for a public key's 32 bytes. */
export function keyToText(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.replace(/.{1,5}/g, (five) => ALPHABET[parseInt(five.padEnd(5, '0'), 2)]);
}

/** The 32 bytes of a public key; the text has to be the only one that means them. */
export function keyFromText(text) {
  if (typeof text !== 'string' || !/^[a-z2-7]{52}$/.test(text)) {
    throw new HubError('misuse', 'a key is 52 lower-case base32 characters (a to z, 2 to 7)');
  }
  const bits = Array.from(text, (letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const bytes = bits.slice(0, KEY_BYTES * 8).match(/.{8}/g).map((byte) => parseInt(byte, 2));
  if (bits.slice(KEY_BYTES * 8) !== '0000') {
    throw new HubError('misuse', 'the last character of the key is not one that a key can end with');
  }
  return Buffer.from(bytes);
}
