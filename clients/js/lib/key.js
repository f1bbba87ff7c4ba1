// An app's own key: Ed25519, made where the app runs, and never sent anywhere.

import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { keyToText } from './base32.js';
import { certificateOf } from './certificate.js';
import { HubError } from './error.js';
import { readOurs } from './private_file.js';

/** A new key, for an app that keeps it elsewhere than in a file: see `loadOrMakeKey` for its members. */
export function makeKey() {
  return appKey(generateKeyPairSync('ed25519').privateKey);
}

/**
 * The app's key in this file, made where there is no file: `key` (the secret, PKCS#8 as PEM),
 * `certificate` (PEM), and `publicKey`, the 52 characters that the owner sees.
 *
 * Rejects with a `HubError`: `untrusted` when others may reach the file, `damaged` when it holds no key.
 * It is never replaced.
 */
export async function loadOrMakeKey(path) {
  return (await load(path)) ?? (await make(path));
}

function appKey(secretKey) {
  const { x } = createPublicKey(secretKey).export({ format: 'jwk' });
  return {
    key: secretKey.export({ type: 'pkcs8', format: 'pem' }),
    certificate: certificateOf(secretKey),
    publicKey: keyToText(Buffer.from(x, 'base64url')),
  };
}

/** The key in a file; null when there is no file. */
async function load(path) {
  let text;
  try {
    text = await readOurs(path, { closed: true });
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
  return appKey(secretIn(text, path));
}

function secretIn(text, path) {
  let secretKey;
  try {
    secretKey = createPrivateKey(text);
  } catch {
    // The library's words might quote the file.
    secretKey = null;
  }
  if (secretKey?.asymmetricKeyType === 'ed25519') return secretKey;
  throw new HubError('damaged', `${path} holds no Ed25519 key; put it back, or move it away to have a new one made`);
}

/** Durable before anything depends on it, and never over another file. */
async function make(path) {
  const made = makeKey();
  const folder = dirname(resolve(path));
  const draft = join(folder, `.key-${randomBytes(8).toString('hex')}`);
  try {
    const file = await open(draft, 'wx', 0o600);
    await written(file, () => file.writeFile(made.key));
    await link(draft, path);
  } catch (error) {
    // Somebody else was quicker: theirs is the key.
    if (error.code === 'EEXIST') return load(path);
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  await written(await open(folder, 'r'), () => {});
  return made;
}

/** Writes, waits for the disk, and closes. */
async function written(file, write) {
  try {
    await write();
    await file.sync();
  } finally {
    await file.close();
  }
}
