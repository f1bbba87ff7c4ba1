// The changes feed: once, by pages, filtered, and live.

import assert from 'node:assert/strict';
import { cancelled, event, leaves, remote, test } from './support.mjs';

async function filled(count) {
  const db = remote();
  const docs = Array.from({ length: count }, (_, n) => ({ _id: `d${n}`, n }));
  await db.bulkDocs(docs);
  return db;
}

const ids = ({ results }) => results.map(({ id }) => id);
const sorted = (list) => [...list].sort();

test('each document appears once, with its latest change', async () => {
  const db = await filled(3);
  const doc = await db.get('d0');
  const { rev } = await db.put({ ...doc, n: 'again' });
  await db.remove(await db.get('d1'));
  const changes = await db.changes({ include_docs: true });
  assert.deepEqual(sorted(ids(changes)), ['d0', 'd1', 'd2']);
  const byId = Object.fromEntries(changes.results.map((row) => [row.id, row]));
  assert.deepEqual(byId.d0.changes, [{ rev }]);
  assert.equal(byId.d0.doc.n, 'again');
  assert.equal(byId.d1.deleted, true);
  assert.equal(byId.d1.doc._deleted, true);
  assert.equal(byId.d2.deleted, undefined);
  assert.equal(String(changes.last_seq), String(changes.results.at(-1).seq));
});

test('since and limit page through without gap or repetition', async () => {
  const db = await filled(25);
  const seen = [];
  let since = 0;
  for (;;) {
    const page = await db.changes({ since, limit: 7 });
    if (page.results.length === 0) break;
    assert.ok(page.results.length <= 7);
    seen.push(...ids(page));
    since = page.last_seq;
  }
  assert.equal(seen.length, 25);
  assert.equal(new Set(seen).size, 25);
  assert.deepEqual(ids(await db.changes({ since })), []);
  assert.deepEqual(ids(await db.changes({ since: 'now' })), []);
  await db.put({ _id: 'later' });
  assert.deepEqual(ids(await db.changes({ since })), ['later']);
});

test('doc_ids narrows the feed', async () => {
  const db = await filled(10);
  const chosen = ['d3', 'd7', 'nowhere'];
  assert.deepEqual(sorted(ids(await db.changes({ doc_ids: chosen }))), ['d3', 'd7']);
});

test('descending turns the feed round', async () => {
  const db = await filled(5);
  const forward = ids(await db.changes());
  assert.deepEqual(ids(await db.changes({ descending: true })), forward.reverse());
});

test('style all_docs names every leaf, main_only the winner', async () => {
  const db = remote();
  const branch = (digit) => ({ _id: 'x', _rev: `1-${digit.repeat(32)}` });
  await db.bulkDocs([branch('a'), branch('b')], { new_edits: false });
  assert.deepEqual(await leaves(db), { x: [branch('a')._rev, branch('b')._rev] });
  const { results } = await db.changes({ style: 'main_only' });
  assert.deepEqual(results[0].changes, [{ rev: branch('b')._rev }]);
  const { results: [row] } = await db.changes({ include_docs: true, conflicts: true });
  assert.deepEqual(row.doc._conflicts, [branch('a')._rev]);
});

test('include_docs brings attachments when asked', async () => {
  const db = remote();
  await db.putAttachment('x', 'a.txt', Buffer.from('hello'), 'text/plain');
  const stub = (await db.changes({ include_docs: true })).results[0].doc._attachments['a.txt'];
  assert.equal(stub.stub, true);
  const full = await db.changes({ include_docs: true, attachments: true });
  assert.equal(atob(full.results[0].doc._attachments['a.txt'].data), 'hello');
});

test('a live feed tells of every write until cancelled', async () => {
  const db = await filled(5);
  const feed = db.changes({ live: true, since: 0, include_docs: true });
  const seen = new Map();
  feed.on('change', ({ id, deleted, doc }) => seen.set(id, deleted ? null : doc.n));
  await event(feed, 'change', () => seen.size === 5);

  const gone = event(feed, 'change', ({ id, deleted }) => id === 'd0' && deleted);
  await db.put({ _id: 'live', n: 'live' });
  await db.bulkDocs([{ _id: 'bulk-1', n: 1 }, { _id: 'bulk-2', n: 2 }]);
  await db.remove(await db.get('d0'));
  await gone;
  assert.deepEqual(
    [...seen].sort(([a], [b]) => (a < b ? -1 : 1)),
    [
      ['bulk-1', 1], ['bulk-2', 2], ['d0', null], ['d1', 1], ['d2', 2], ['d3', 3], ['d4', 4],
      ['live', 'live'],
    ],
  );

  await cancelled(feed);
  await db.put({ _id: 'after' });
  assert.equal(seen.has('after'), false);
});

test('a live feed from now leaves the past out', async () => {
  const db = await filled(5);
  const feed = db.changes({ live: true, since: 'now' });
  const first = event(feed, 'change');
  // The feed has no event for "waiting now", so the write is repeated until it is told of.
  let told = false;
  first.then(() => { told = true; });
  for (let n = 0; !told && n < 1_000; n += 1) await db.put({ _id: `new-${n}` });
  assert.match((await first).id, /^new-/);
  await cancelled(feed);
});

test('many feeds on one database all hear the same', async () => {
  const db = remote();
  await db.info();
  const feeds = Array.from({ length: 20 }, () => db.changes({ live: true, since: 0 }));
  const heard = feeds.map((feed) => event(feed, 'change', ({ id }) => id === 'last'));
  await db.bulkDocs(Array.from({ length: 50 }, (_, n) => ({ _id: `x${n}` })));
  await db.put({ _id: 'last' });
  await Promise.all(heard);
  await Promise.all(feeds.map(cancelled));
});
