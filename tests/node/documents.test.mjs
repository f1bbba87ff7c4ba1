// Documents one by one, as an app reads and writes them.

import assert from 'node:assert/strict';
import { failure, remote, test } from './support.mjs';

test('a document is created, read, changed and removed', async () => {
  const db = remote();
  const created = await db.put({ _id: 'mitten', kind: 'cat', lives: 9, tags: ['a', { b: null }] });
  assert.equal(created.ok, true);
  assert.match(created.rev, /^1-[0-9a-f]{32}$/);

  const doc = await db.get('mitten');
  assert.deepEqual(doc, {
    _id: 'mitten', _rev: created.rev, kind: 'cat', lives: 9, tags: ['a', { b: null }],
  });

  const changed = await db.put({ ...doc, lives: 8 });
  assert.match(changed.rev, /^2-/);
  assert.equal((await db.get('mitten')).lives, 8);

  const removed = await db.remove('mitten', changed.rev);
  assert.match(removed.rev, /^3-/);
  const error = await failure(() => db.get('mitten'));
  assert.deepEqual([error.status, error.name, error.reason], [404, 'not_found', 'deleted']);
  assert.equal((await db.get('mitten', { rev: created.rev })).lives, 9);
});

test('a removed document is created again on top of its tombstone', async () => {
  const db = remote();
  const { rev } = await db.put({ _id: 'phoenix', n: 1 });
  await db.remove('phoenix', rev);
  const again = await db.put({ _id: 'phoenix', n: 2 });
  assert.match(again.rev, /^3-/);
  assert.equal((await db.get('phoenix')).n, 2);
});

test('post gives a document an id', async () => {
  const db = remote();
  const { id, rev } = await db.post({ title: 'untitled' });
  assert.ok(id.length > 0);
  assert.deepEqual(await db.get(id), { _id: id, _rev: rev, title: 'untitled' });
});

test('unusual ids and texts come back as they were', async () => {
  const db = remote();
  const ids = ['a/b', 'a b', 'a+b', 'a&b=c', 'a?b', 'é', '日本', 'a%2Fb', '"quoted"', '🗄️', '+', '.x'];
  for (const id of ids) {
    await db.put({ _id: id, text: `${id}\u0000\n\u2028` });
    const doc = await db.get(id);
    assert.deepEqual([doc._id, doc.text], [id, `${id}\u0000\n\u2028`]);
  }
  const { rows } = await db.allDocs();
  assert.deepEqual(new Set(rows.map(({ id }) => id)), new Set(ids));
});

test('a write without the current revision is a conflict', async () => {
  const db = remote();
  const first = await db.put({ _id: 'x', n: 1 });
  await db.put({ _id: 'x', _rev: first.rev, n: 2 });
  const stale = { _id: 'x', _rev: first.rev, n: 3 };
  for (const attempt of [
    () => db.put(stale), () => db.put({ _id: 'x', n: 3 }), () => db.remove(stale),
  ]) {
    const error = await failure(attempt);
    assert.deepEqual([error.status, error.name], [409, 'conflict']);
  }
  assert.equal((await db.get('x')).n, 2);
});

test('a missing document and a missing revision are 404', async () => {
  const db = remote();
  await db.put({ _id: 'here' });
  for (const attempt of [
    () => db.get('nowhere'),
    () => db.get('here', { rev: '7-00000000000000000000000000000000' }),
  ]) {
    const error = await failure(attempt);
    assert.deepEqual([error.status, error.name, error.reason], [404, 'not_found', 'missing']);
  }
});

test('a member with an underscore is refused', async () => {
  const error = await failure(() => remote().put({ _id: 'x', _mine: 1 }));
  assert.deepEqual([error.status, error.name], [400, 'doc_validation']);
});

test('get tells history, revisions on hand and conflicts', async () => {
  const db = remote();
  let rev;
  const revs = [];
  for (let n = 1; n <= 3; n += 1) {
    ({ rev } = await db.put({ _id: 'x', _rev: rev, n }));
    revs.unshift(rev);
  }
  const ids = revs.map((text) => text.split('-')[1]);
  assert.deepEqual((await db.get('x', { revs: true }))._revisions, { start: 3, ids });
  assert.deepEqual(
    (await db.get('x', { revs_info: true }))._revs_info,
    revs.map((text) => ({ rev: text, status: 'available' })),
  );
  assert.equal((await db.get('x'))._conflicts, undefined);

  // A shorter branch from elsewhere loses, whatever its id.
  const loser = '2-ffffffffffffffffffffffffffffffff';
  await db.bulkDocs([{ _id: 'x', _rev: loser, n: 'theirs' }], { new_edits: false });
  const doc = await db.get('x', { conflicts: true });
  assert.equal(doc._rev, rev);
  assert.deepEqual(doc._conflicts, [loser]);

  const open = await db.get('x', { open_revs: 'all' });
  assert.deepEqual(open.map(({ ok }) => ok._rev).sort(), [loser, rev].sort());
  const named = await db.get('x', { open_revs: [loser, '9-00000000000000000000000000000000'] });
  assert.deepEqual(named.map((row) => row.ok?.n ?? row.missing).sort(), [
    '9-00000000000000000000000000000000', 'theirs',
  ]);

  // Removing the winner leaves the other branch.
  await db.remove('x', rev);
  assert.equal((await db.get('x')).n, 'theirs');
});

test('equal generations are decided by the greater revision id', async () => {
  const db = remote();
  const branch = (digit) => ({ _id: 'x', _rev: `1-${digit.repeat(32)}`, digit });
  await db.bulkDocs([branch('b'), branch('a'), branch('c')], { new_edits: false });
  const doc = await db.get('x', { conflicts: true });
  assert.equal(doc.digit, 'c');
  assert.deepEqual(doc._conflicts, [`1-${'b'.repeat(32)}`, `1-${'a'.repeat(32)}`]);
});

test('local documents stay out of sight', async () => {
  const db = remote();
  const first = await db.put({ _id: '_local/checkpoint', seq: 1 });
  const doc = await db.get('_local/checkpoint');
  assert.equal(doc.seq, 1);
  assert.equal(doc._rev, first.rev);
  await db.put({ ...doc, seq: 2 });
  assert.equal((await db.get('_local/checkpoint')).seq, 2);
  assert.equal((await db.allDocs()).rows.length, 0);
  assert.equal((await db.changes()).results.length, 0);
  assert.equal((await db.info()).doc_count, 0);

  await db.remove(await db.get('_local/checkpoint'));
  assert.equal((await failure(() => db.get('_local/checkpoint'))).status, 404);
});
