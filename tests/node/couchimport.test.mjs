// couchimport 1.6: files in, databases out, and the same afterwards.

import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import couchimport from 'couchimport';
import { freshName, hubs, run, test, told } from './hubs.mjs';

const folder = mkdtempSync(join(tmpdir(), 'larder-couchimport-'));
after(() => rmSync(folder, { recursive: true }));

const ROWS = 1_200;

async function fresh() {
  const database = freshName('import');
  await told('PUT', `/${database}`);
  return database;
}

/** What a database holds, without revisions, in the order of ids. */
async function contents(database) {
  const { rows } = await told('GET', `/${database}/_all_docs?include_docs=true`);
  return rows.map(({ doc: { _rev, ...rest } }) => rest);
}

/** Rows of text with an id each, in the order of ids. */
const rows = Array.from({ length: ROWS }, (_, n) => ({
  _id: `row-${String(n).padStart(5, '0')}`,
  name: `Grün ${n}`,
  note: n % 3 === 0 ? '' : `a note, with a comma and "quotes" ${n}`,
}));

const commands = (database) => ['--url', hubs[0], '--db', database];

test('JSON lines go in and come out as they were', async () => {
  const [database, copy] = [await fresh(), await fresh()];
  const docs = rows.map((row, n) => ({ ...row, n, list: [n, { deep: null }], yes: true }));
  const text = docs.map((doc) => JSON.stringify(doc)).join('\n');
  await run('couchimport', [...commands(database), '--type', 'jsonl', '--buffer', 250], text);
  assert.deepEqual(await contents(database), docs);

  // What comes out has revisions, and goes into another database with them.
  const exported = await run('couchexport', [...commands(database), '--type', 'jsonl']);
  await run('couchimport', [...commands(copy), '--type', 'jsonl'], exported);
  const listing = (name) => told('GET', `/${name}/_all_docs?include_docs=true`);
  assert.deepEqual(await listing(copy), await listing(database));
  const again = await run('couchexport', [...commands(copy), '--type', 'jsonl']);
  assert.deepEqual(again, exported);
});

test('a table with tabs goes in and comes out as it was', async () => {
  const database = await fresh();
  const plain = rows.map(({ _id, name }) => ({ _id, name, place: `${name}stadt` }));
  const line = (row) => Object.values(row).join('\t');
  const table = ['_id\tname\tplace', ...plain.map(line)].join('\n');
  await run('couchimport', [...commands(database), '--parallelism', 3], table);
  assert.deepEqual(await contents(database), plain);

  const exported = String(await run('couchexport', commands(database)));
  const [headings, ...lines] = exported.trimEnd().split('\n').map((text) => text.split('\t'));
  assert.deepEqual(headings, ['_id', '_rev', 'name', 'place']);
  const back = lines.map(([_id, , name, place]) => ({ _id, name, place }));
  back.sort((a, b) => (a._id < b._id ? -1 : 1));
  assert.deepEqual(back, plain);
});

test('a table with commas, through a transformation, some columns left out', async () => {
  const database = await fresh();
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  const line = ({ _id, name, note }) => [_id, name, quoted(note)].join(',');
  const file = join(folder, 'rows.csv');
  writeFileSync(file, ['_id,name,note', ...rows.map(line)].join('\n'));
  const options = {
    url: hubs[0],
    database,
    delimiter: ',',
    ignorefields: ['name'],
    transform: (row, { by }) => ({ ...row, by }),
    meta: { by: 'a test' },
  };
  const { total, totalfailed } = await promisify(couchimport.importFile)(file, options);
  assert.deepEqual([total, totalfailed], [ROWS, 0]);
  const expected = rows.map(({ _id, note }) => ({ _id, note, by: 'a test' }));
  assert.deepEqual(await contents(database), expected);

  // Once more over what is there.
  const stream = () => createReadStream(file);
  const over = { ...options, overwrite: true, meta: { by: 'another test' } };
  const second = await promisify(couchimport.importStream)(stream(), over);
  assert.deepEqual([second.total, second.totalfailed], [ROWS, 0]);
  assert.ok((await contents(database)).every(({ by }) => by === 'another test'));
  const { update_seq: seq, doc_count: count } = await told('GET', `/${database}`);
  assert.deepEqual([Number(seq.split('-')[0]), count], [2 * ROWS, ROWS]);

  // And without permission to overwrite every row is a conflict.
  const third = await promisify(couchimport.importStream)(stream(), options);
  assert.deepEqual([third.total, third.totalfailed], [0, ROWS]);
});

test('a list within a file of JSON', async () => {
  const database = await fresh();
  const docs = rows.slice(0, 20);
  const words = ['--type', 'json', '--jsonpath', 'found.*'];
  await run('couchimport', [...commands(database), ...words], JSON.stringify({ found: docs }));
  assert.deepEqual(await contents(database), docs);
});
