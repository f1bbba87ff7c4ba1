// @cloudant/couchbackup 2: a database is backed up, and restored into a new one as it was.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import couchbackup from '@cloudant/couchbackup';
import { ask, everything, failure, freshName, hubs, run, test, told } from './hubs.mjs';

const folder = mkdtempSync(join(tmpdir(), 'larder-couchbackup-'));
after(() => rmSync(folder, { recursive: true }));

const DOCUMENTS = 2_000;
const BATCH = 250;

const url = (database) => `${hubs[0]}${encodeURIComponent(database)}`;
const backup = promisify(couchbackup.backup);
const restore = promisify(couchbackup.restore);

/** A file in one piece: couchbackup decodes each piece by itself and loses characters cut in two. */
const whole = (file) => createReadStream(file, { highWaterMark: 64 * 1024 * 1024 });

async function fresh() {
  const database = freshName('backup');
  await told('PUT', `/${database}`);
  return database;
}

const ODD = 'Zwölf Boxkämpfer\u2028 "" \\ \u0000 日本 𝄞';

/** Thousands of documents: edited, deleted, in conflict, with histories and odd contents. */
async function filled(text = ODD) {
  const database = await fresh();
  const path = `/${database}/_bulk_docs`;
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => ({
    _id: `doc-${String(n).padStart(5, '0')}`,
    n,
    text,
    nested: { list: [n, null, true, { deep: -n / 8 }], empty: {}, 'a b/c': '' },
  }));
  const written = await told('POST', path, { body: { docs } });
  const edit = (n, more) => ({ ...docs[n], _rev: written[n].rev, ...more });
  const edits = written.flatMap((_, n) => {
    if (n % 10 === 0) return [edit(n, { edited: true })];
    return n % 15 === 1 ? [{ _id: docs[n]._id, _rev: written[n].rev, _deleted: true, why: n }] : [];
  });
  await told('POST', path, { body: { docs: edits } });
  const conflicts = written.filter((_, n) => n % 25 === 0).map(({ id, rev }) => ({
    _id: id,
    _revisions: { start: 2, ids: ['c'.repeat(32), rev.slice(2)] },
    in: 'conflict',
  }));
  await told('POST', path, { body: { docs: conflicts, new_edits: false } });
  await told('PUT', `/${database}/_design/garden`, { body: { views: {}, language: 'javascript' } });
  return database;
}

async function assertSame(original, copy) {
  const [theirs, ours] = [await everything(copy), await everything(original)];
  assert.equal(theirs.leaves, ours.leaves);
  assert.ok(theirs.text === ours.text, 'the leaves differ');
  const infos = await told('POST', '/_dbs_info', { body: { keys: [original, copy] } });
  const [a, b] = infos.map(({ info: { doc_count: live, doc_del_count: gone } }) => [live, gone]);
  assert.deepEqual(a, b);
}

test('every leaf of every document comes back byte for byte', async () => {
  const [original, copy] = [await filled(), await fresh()];
  const file = join(folder, 'full.txt');
  const options = { bufferSize: BATCH, parallelism: 4, log: join(folder, 'full.log') };
  const { total } = await backup(url(original), createWriteStream(file), options);
  const { leaves } = await everything(original);
  assert.equal(total, leaves);
  assert.ok(leaves > DOCUMENTS);
  assert.equal(
    (await restore(whole(file), url(copy), { bufferSize: BATCH })).total,
    total,
  );
  await assertSame(original, copy);

  const full = await failure(() => restore(whole(file), url(copy), {}));
  assert.equal(full.name, 'DatabaseNotEmpty');
  const absent = await failure(() => restore(whole(file), url(freshName('none')), {}));
  assert.equal(absent.name, 'DatabaseNotFound');
});

test('a shallow backup holds the winners', async () => {
  const [original, copy] = [await filled(), await fresh()];
  const file = join(folder, 'shallow.txt');
  const { total } = await backup(url(original), createWriteStream(file), {
    mode: 'shallow', bufferSize: BATCH,
  });
  const { doc_count: live } = await told('GET', `/${original}`);
  assert.equal(total, live);
  await restore(whole(file), url(copy), {});
  const listing = (database) => told('GET', `/${database}/_all_docs?include_docs=true`);
  assert.deepEqual(await listing(copy), await listing(original));
});

test('attachments come back byte for byte', async () => {
  const [original, copy] = [await fresh(), await fresh()];
  for (let n = 0; n < 40; n += 1) {
    const large = n % 2 === 0 ? randomBytes(n * 3_000) : Buffer.from('compressible '.repeat(n * 99));
    const data = { 'content-type': n % 2 === 0 ? 'image/png' : 'text/plain' };
    const put = await ask('PUT', `/${original}/doc-${n}/a%20${n}`, { body: large, headers: data });
    const { rev } = await put.json();
    const second = `/${original}/doc-${n}/b?rev=${rev}`;
    await ask('PUT', second, { body: 'b', headers: { 'content-type': 'text/plain' } });
  }
  const file = join(folder, 'attachments.txt');
  const options = { attachments: true, bufferSize: 7 };
  await backup(url(original), createWriteStream(file), options);
  await restore(whole(file), url(copy), options);
  await assertSame(original, copy);
});

test('a backup that was killed is resumed', async () => {
  const [original, copy] = [await filled(), await fresh()];
  const [file, log] = [join(folder, 'resumed.txt'), join(folder, 'resumed.log')];
  const options = ['--url', hubs[0], '--db', original, '--output', file, '--log', log];
  const words = [...options, '--buffer-size', 50, '--parallelism', 1];
  const child = spawn('node_modules/.bin/couchbackup', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (text) => {
    if (String(text).includes('written')) child.kill('SIGKILL');
  });
  await new Promise((resolve) => { child.on('exit', resolve); });
  assert.doesNotMatch(readFileSync(log, 'utf8'), /:d batch30/);

  await run('couchbackup', [...words, '--resume', '--quiet']);
  await restore(whole(file), url(copy), {});
  await assertSame(original, copy);
});

test('the two commands, from one database into another', async () => {
  const [original, copy] = [await filled('plain letters'), await fresh()];
  const file = join(folder, 'command.txt');
  const words = (database) => ['--url', hubs[0], '--db', database, '--quiet'];
  await run('couchbackup', [...words(original), '--output', file]);
  await run('couchrestore', words(copy), readFileSync(file));
  await assertSame(original, copy);
});
