// Databases as wholes: many documents at once, listings, and what replicators ask.

import assert from 'node:assert/strict';
import { PouchDB, failure, hubs, remote, test } from './support.mjs';

const text = (n) => `doc-${String(n).padStart(3, '0')}`;

async function filled(count) {
  const db = remote();
  const docs = Array.from({ length: count }, (_, n) => ({ _id: text(n), n }));
  const results = await db.bulkDocs(docs);
  return { db, revs: results.map(({ rev }) => rev) };
}

test('bulkDocs creates, changes, removes, and tells of each one', async () => {
  const { db, revs } = await filled(3);
  assert.ok(revs.every((rev) => /^1-[0-9a-f]{32}$/.test(rev)));
  const results = await db.bulkDocs([
    { _id: text(0), _rev: revs[0], n: 'changed' },
    { _id: text(1), n: 'no revision' },
    { _id: text(2), _rev: revs[2], _deleted: true },
    { n: 'no id' },
  ]);
  assert.deepEqual(results.map(({ ok, error }) => ok ?? error), [true, 'conflict', true, true]);
  assert.equal(results[1].id, text(1));
  assert.equal((await db.get(text(0))).n, 'changed');
  assert.equal((await db.get(text(1))).n, 1);
  assert.equal((await failure(() => db.get(text(2)))).reason, 'deleted');
  assert.equal((await db.get(results[3].id)).n, 'no id');
});

test('bulkDocs with new_edits false keeps foreign histories', async () => {
  const db = remote();
  const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(32));
  const doc = { _id: 'x', _rev: `3-${c}`, _revisions: { start: 3, ids: [c, b, a] }, n: 3 };
  assert.deepEqual(await db.bulkDocs([doc], { new_edits: false }), []);
  // Again, and an ancestor by itself: nothing new.
  assert.deepEqual(await db.bulkDocs([doc], { new_edits: false }), []);
  await db.bulkDocs([{ _id: 'x', _rev: `2-${b}`, _revisions: { start: 2, ids: [b, a] } }], {
    new_edits: false,
  });
  const read = await db.get('x', { revs: true, conflicts: true });
  assert.equal(read._rev, `3-${c}`);
  assert.deepEqual(read._revisions, { start: 3, ids: [c, b, a] });
  assert.equal(read._conflicts, undefined);
  assert.equal((await db.changes()).results.length, 1);
});

test('allDocs lists in order, by range, by keys, with documents', async () => {
  const { db, revs } = await filled(10);
  const all = await db.allDocs();
  assert.equal(all.total_rows, 10);
  assert.equal(all.offset, 0);
  assert.deepEqual(all.rows[4], { id: text(4), key: text(4), value: { rev: revs[4] } });

  const ids = async (options) => (await db.allDocs(options)).rows.map(({ id }) => id);
  assert.deepEqual(await ids({ startkey: text(2), endkey: text(4) }), [text(2), text(3), text(4)]);
  assert.deepEqual(await ids({ startkey: text(8), inclusive_end: false }), [text(8), text(9)]);
  assert.deepEqual(
    await ids({ startkey: text(2), endkey: text(4), inclusive_end: false }), [text(2), text(3)],
  );
  assert.deepEqual(await ids({ descending: true, limit: 2 }), [text(9), text(8)]);
  assert.deepEqual(
    await ids({ descending: true, startkey: text(3), endkey: text(1) }),
    [text(3), text(2), text(1)],
  );
  assert.deepEqual(await ids({ skip: 7, limit: 2 }), [text(7), text(8)]);
  assert.deepEqual(await ids({ key: text(5) }), [text(5)]);
  assert.deepEqual(await ids({ startkey: 'z' }), []);

  await db.remove(text(3), revs[3]);
  const chosen = await db.allDocs({ keys: [text(9), text(3), 'nowhere', text(0)], include_docs: true });
  assert.deepEqual(chosen.rows.map(({ key }) => key), [text(9), text(3), 'nowhere', text(0)]);
  assert.equal(chosen.rows[0].doc.n, 9);
  assert.equal(chosen.rows[1].value.deleted, true);
  assert.equal(chosen.rows[1].doc, null);
  assert.equal(chosen.rows[2].error, 'not_found');
  assert.equal((await db.allDocs()).total_rows, 9);
});

test('allDocs brings attachments and conflicts when asked', async () => {
  const db = remote();
  await db.put({
    _id: 'x',
    _attachments: { 'a.txt': { content_type: 'text/plain', data: btoa('hello') } },
  });
  const other = `1-${'0'.repeat(32)}`;
  await db.bulkDocs([{ _id: 'x', _rev: other }], { new_edits: false });

  const plain = (await db.allDocs({ include_docs: true })).rows[0].doc;
  assert.equal(plain._attachments['a.txt'].stub, true);
  const { doc } = (await db.allDocs({ include_docs: true, attachments: true, conflicts: true })).rows[0];
  assert.equal(atob(doc._attachments['a.txt'].data), 'hello');
  assert.deepEqual(doc._conflicts, [other]);
});

test('info counts what is there', async () => {
  const { db, revs } = await filled(5);
  await db.remove(text(0), revs[0]);
  const info = await db.info();
  assert.equal(info.db_name, db.name.split('/').pop());
  assert.equal(info.doc_count, 4);
  assert.equal(info.doc_del_count, 1);
  assert.match(String(info.update_seq), /^6-/);
  assert.equal(typeof info.sizes.file, 'number');
});

test('revsDiff names what is missing and what it may descend from', async () => {
  const db = remote();
  const { rev } = await db.put({ _id: 'x' });
  const other = `2-${'a'.repeat(32)}`;
  const diff = await db.revsDiff({ x: [rev, other], nowhere: [other] });
  assert.deepEqual(diff.x.missing, [other]);
  assert.deepEqual(diff.x.possible_ancestors ?? [rev], [rev]);
  assert.deepEqual(diff.nowhere, { missing: [other] });
  assert.deepEqual(await db.revsDiff({ x: [rev] }), {});
});

test('bulkGet brings named revisions with history and attachments', async () => {
  const db = remote();
  const first = await db.put({
    _id: 'x', n: 1, _attachments: { a: { content_type: 'text/plain', data: btoa('hi') } },
  });
  const second = await db.put({ ...(await db.get('x')), n: 2 });
  const { results } = await db.bulkGet({
    docs: [{ id: 'x', rev: first.rev }, { id: 'x' }, { id: 'nowhere' }],
    revs: true,
    attachments: true,
  });
  assert.deepEqual(results.map(({ id }) => id), ['x', 'x', 'nowhere']);
  assert.equal(results[0].docs[0].ok.n, 1);
  assert.equal(results[1].docs[0].ok._rev, second.rev);
  assert.equal(results[1].docs[0].ok._revisions.ids.length, 2);
  assert.equal(atob(results[1].docs[0].ok._attachments.a.data), 'hi');
  assert.equal(results[2].docs[0].error.error, 'not_found');
});

test('compaction drops old bodies and keeps what is current', async () => {
  const { db, revs } = await filled(20);
  const docs = revs.map((rev, n) => ({ _id: text(n), _rev: rev, n: n + 100 }));
  await db.bulkDocs(docs);
  await db.compact();
  const { rows } = await db.allDocs({ include_docs: true });
  assert.deepEqual(rows.map(({ doc }) => doc.n), docs.map(({ n }) => n));
  assert.equal((await failure(() => db.get(text(0), { rev: revs[0] }))).status, 404);
  assert.deepEqual(
    (await db.get(text(0), { revs_info: true }))._revs_info.map(({ status }) => status),
    ['available', 'missing'],
  );
});

test('a destroyed database is gone, and comes back empty', async () => {
  const { db } = await filled(3);
  const url = db.name;
  await db.destroy();
  const kept = new PouchDB(url, { skip_setup: true });
  // PouchDB hands the answer on, whatever its status.
  assert.equal((await kept.info()).error, 'not_found');
  assert.equal((await new PouchDB(url).info()).doc_count, 0);
});

test('a wrong token is refused', async () => {
  const url = new URL(hubs[0]);
  url.password = 'wrong';
  const db = new PouchDB(`${url}anything`, { skip_setup: true });
  const error = await failure(() => db.allDocs());
  assert.deepEqual([error.status, error.name], [401, 'unauthorized']);
});
