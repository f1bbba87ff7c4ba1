// Views, as PouchDB asks a hub for them.

import assert from 'node:assert/strict';
import PouchDB from 'pouchdb';
import { ask, failure, freshName, hubs, test } from './hubs.mjs';

const ids = ({ rows }) => rows.map(({ id }) => id);

const plants = [
  { _id: 'elm', kind: 'tree', height: 30, near: 'oak' },
  { _id: 'fern', kind: 'herb', height: 1 },
  { _id: 'oak', kind: 'tree', height: 25 },
  { _id: 'rose', kind: 'shrub', height: 2, near: 'fern' },
];

const design = {
  _id: '_design/plants',
  views: {
    height: { map: 'function (doc) { emit(doc.height, doc._id); }' },
    kind: {
      map: 'function (doc) { emit([doc.kind, doc._id], doc.height); }',
      reduce: '_stats',
    },
    total: {
      map: 'function (doc) { emit(doc.kind, doc.height); }',
      reduce: 'function (keys, values) { return sum(values); }',
    },
    near: { map: 'function (doc) { if (doc.near) emit(doc._id, { _id: doc.near }); }' },
  },
};

async function garden() {
  const db = new PouchDB(`${hubs[0]}${freshName('views')}`);
  await db.bulkDocs([...plants, design]);
  return db;
}

test('rows come in the order of their keys', async () => {
  const db = await garden();
  const all = await db.query('plants/height');
  assert.deepEqual([all.total_rows, all.offset], [4, 0]);
  assert.deepEqual(all.rows[0], { id: 'fern', key: 1, value: 'fern' });
  assert.deepEqual(ids(all), ['fern', 'rose', 'oak', 'elm']);
  const query = (options) => db.query('plants/height', options);
  assert.deepEqual(ids(await query({ descending: true, limit: 2 })), ['elm', 'oak']);
  assert.deepEqual(ids(await query({ startkey: 2, endkey: 25 })), ['rose', 'oak']);
  assert.deepEqual(ids(await query({ startkey: 2, endkey: 25, inclusive_end: false })), ['rose']);
  assert.deepEqual(ids(await query({ key: 25 })), ['oak']);
  assert.deepEqual(ids(await query({ keys: [30, 1, 7] })), ['elm', 'fern']);
  assert.deepEqual(ids(await query({ skip: 3 })), ['elm']);
  const { rows } = await query({ key: 30, include_docs: true });
  assert.equal(rows[0].doc.kind, 'tree');
  assert.match((await query({ limit: 0, update_seq: true })).update_seq, /^\d+-/);
});

test('rows are reduced, and grouped', async () => {
  const db = await garden();
  const query = (options) => db.query('plants/kind', options);
  const [{ key, value }] = (await query()).rows;
  assert.deepEqual([key, value], [null, { sum: 58, count: 4, min: 1, max: 30, sumsqr: 1530 }]);
  const kinds = (await query({ group_level: 1 })).rows;
  assert.deepEqual(kinds.map((row) => [row.key, row.value.sum]), [
    [['herb'], 1], [['shrub'], 2], [['tree'], 55],
  ]);
  assert.equal((await query({ group: true })).rows.length, 4);
  assert.deepEqual(ids(await query({ reduce: false, startkey: ['tree'] })), ['elm', 'oak']);
  const total = await db.query('plants/total', { group: true, keys: ['tree', 'herb'] });
  assert.deepEqual(total.rows, [{ key: 'tree', value: 55 }, { key: 'herb', value: 1 }]);
});

test('values link to documents', async () => {
  const db = await garden();
  const { rows } = await db.query('plants/near', { include_docs: true });
  assert.deepEqual(rows.map(({ id, doc }) => [id, doc._id]), [['elm', 'oak'], ['rose', 'fern']]);
});

test('views follow what is written', async () => {
  const db = await garden();
  assert.equal((await db.query('plants/height')).total_rows, 4);
  const oak = await db.get('oak');
  await db.put({ ...oak, height: 40 });
  await db.remove(await db.get('fern'));
  await db.put({ _id: 'ivy', height: 3 });
  assert.deepEqual(ids(await db.query('plants/height')), ['rose', 'ivy', 'elm', 'oak']);
  await db.put({ _id: 'moss', height: 0 });
  assert.deepEqual(ids(await db.query('plants/height', { stale: 'ok' })), ['rose', 'ivy', 'elm', 'oak']);
  const changed = await db.get('_design/plants');
  changed.views.height.map = 'function (doc) { emit(-doc.height); }';
  await db.put(changed);
  assert.deepEqual(ids(await db.query('plants/height')), ['oak', 'elm', 'ivy', 'rose', 'moss']);
  await db.viewCleanup();
  assert.equal((await db.query('plants/height')).total_rows, 5);
});

test('a feed and a replication are filtered by functions', async () => {
  const db = await garden();
  await db.put({
    _id: '_design/filters',
    filters: { kind: 'function (doc, req) { return doc.kind === req.query.kind; }' },
  });
  const options = { filter: 'filters/kind', query_params: { kind: 'tree' } };
  const { results } = await db.changes(options);
  assert.deepEqual(results.map(({ id }) => id), ['elm', 'oak']);
  const viewed = await db.changes({ filter: '_view', view: 'plants/near' });
  assert.deepEqual(viewed.results.map(({ id }) => id), ['elm', 'rose']);
  const copy = new PouchDB(`${hubs[0]}${freshName('views')}`);
  await db.replicate.to(copy, options);
  assert.deepEqual(ids(await copy.allDocs()), ['elm', 'oak']);
});

test('views that are not there', async () => {
  const db = await garden();
  const view = await failure(() => db.query('plants/none'));
  assert.deepEqual([view.status, view.reason], [404, 'missing_named_view']);
  const none = await failure(() => db.query('none/height'));
  assert.deepEqual([none.status, none.reason], [404, 'missing']);
  const name = new URL(db.name).pathname.slice(1);
  const bad = await ask('GET', `/${name}/_design/plants/_view/height?group=true`);
  assert.equal(bad.status, 400);
});
