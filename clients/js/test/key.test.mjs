// An app's key: made once, closed to others, never replaced; its certificate and its text.

import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadOrMakeKey, makeKey } from '../index.js';
import { keyFromText, keyToText } from '../lib/base32.js';
import { certificateOf } from '../lib/certificate.js';
import { failure } from './stand_in.mjs';

async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'larder-client-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('a key is made once, for its owner only', async (t) => {
  const inside = await folder(t);
  const path = join(inside, 'app.key');
  const made = await loadOrMakeKey(path);
  assert.deepEqual(await loadOrMakeKey(path), made);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(inside), ['app.key']);
  assert.notEqual(makeKey().publicKey, made.publicKey);
});

test('whoever comes second takes the key that is there', async (t) => {
  const path = join(await folder(t), 'app.key');
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrMakeKey(path)));
  assert.equal(new Set(keys.map(({ publicKey }) => publicKey)).size, 1);
});

test('a damaged key is reported and left alone', async (t) => {
  const path = join(await folder(t), 'app.key');
  const { key } = await loadOrMakeKey(path);
  for (const bad of ['', 'x', key.slice(30), key.replace('MC4C', 'MC5C'), 'x'.repeat(100_000)]) {
    await writeFile(path, bad);
    const error = await failure(() => loadOrMakeKey(path));
    assert.equal(error.code, 'damaged');
    assert.equal(await readFile(path, 'utf8'), bad);
  }
});

test('a key that others can reach is refused', async (t) => {
  const path = join(await folder(t), 'app.key');
  await loadOrMakeKey(path);
  for (const mode of [0o640, 0o604, 0o620]) {
    await chmod(path, mode);
    assert.equal((await failure(() => loadOrMakeKey(path))).code, 'untrusted');
  }
  await chmod(path, 0o400);
  await loadOrMakeKey(path);
  await symlink(path, `${path}-link`);
  assert.equal((await failure(() => loadOrMakeKey(`${path}-link`))).code, 'ELOOP');
});

test('a certificate carries its key, signed by it, the same each time', () => {
  const app = makeKey();
  const certificate = new X509Certificate(app.certificate);
  assert.ok(certificate.verify(certificate.publicKey) && certificate.checkPrivateKey(createPrivateKey(app.key)));
  assert.equal(certificate.subject, 'CN=larder-app');
  assert.match(certificate.validFrom, /1975/);
  assert.match(certificate.validTo, /4096/);
  assert.equal(certificateOf(createPrivateKey(app.key)), app.certificate);
  // A name that needs a long form of its length.
  const long = new X509Certificate(certificateOf(createPrivateKey(app.key), 'n'.repeat(60)));
  assert.ok(long.verify(long.publicKey));
});

test('keys as text', () => {
  const text = 'nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga';
  assert.equal(keyFromText(text).length, 32);
  assert.equal(keyToText(keyFromText(text)), text);
  for (const bad of ['', text.slice(1), `${text}a`, text.toUpperCase(), `1${text.slice(1)}`, `${text.slice(0, -1)}b`, null]) {
    assert.throws(() => keyFromText(bad), { code: 'misuse' });
  }
});
