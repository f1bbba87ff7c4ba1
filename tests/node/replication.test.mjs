// PouchDB replicates: with a database of its own, and between two hubs.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cancelled, hubs, leaves, memory, remote, seen, test, winners } from './support.mjs';

async function assertSame(a, b) {
  assert.deepEqual(await leaves(a), await leaves(b));
  assert.deepEqual(await winners(a), await winners(b));
}

async function fill(db, prefix, count) {
  await db.bulkDocs(Array.from({ length: count }, (_, n) => ({ _id: `${prefix}${n}`, n, prefix })));
}

/** The same document edited on both sides, unaware of each other. */
async function disagree(a, b) {
  await a.put({ _id: 'shared', by: 'both' });
  await a.replicate.to(b);
  await a.put({ ...(await a.get('shared')), by: 'a' });
  const theirs = await b.get('shared');
  const { rev } = await b.put({ ...theirs, by: 'b' });
  await b.put({ ...theirs, _rev: rev, by: 'b again' });
}

test('to a hub, and from a hub', async () => {
  const [local, hub, other] = [memory(), remote(), memory()];
  await fill(local, 'x', 300);
  await local.remove(await local.get('x7'));
  const to = await local.replicate.to(hub);
  assert.deepEqual([to.ok, to.docs_written, to.doc_write_failures], [true, 300, 0]);
  await assertSame(local, hub);
  const from = await other.replicate.from(hub);
  assert.equal(from.docs_written, 300);
  await assertSame(other, hub);
});

test('a second replication starts from its checkpoint', async () => {
  const [local, hub] = [memory(), remote()];
  await fill(local, 'x', 50);
  await local.replicate.to(hub);
  await fill(local, 'y', 3);
  const again = await local.replicate.to(hub);
  assert.deepEqual([again.docs_read, again.docs_written], [3, 3]);
  const nothing = await local.replicate.to(hub);
  assert.deepEqual([nothing.docs_read, nothing.docs_written], [0, 0]);
});

test('edits on both sides become one conflict that both see alike', async () => {
  const [local, hub] = [memory(), remote()];
  await disagree(local, hub);
  await local.sync(hub);
  await assertSame(local, hub);
  const [mine, theirs] = await Promise.all(
    [local, hub].map((db) => db.get('shared', { conflicts: true })),
  );
  assert.deepEqual(mine, theirs);
  assert.equal(mine.by, 'b again');
  assert.equal(mine._conflicts.length, 1);

  // Resolving it on one side resolves it on the other.
  await hub.remove('shared', mine._conflicts[0]);
  await local.sync(hub);
  assert.equal((await local.get('shared', { conflicts: true }))._conflicts, undefined);
  await assertSame(local, hub);
});

test('attachments travel both ways, with their bytes', async () => {
  const [local, hub] = [memory(), remote()];
  const [small, large] = [randomBytes(900), randomBytes(400_000)];
  await local.putAttachment('mine', 'large.bin', large, 'application/octet-stream');
  await hub.putAttachment('theirs', 'small.bin', small, 'application/octet-stream');
  await hub.putAttachment('text', 'a.txt', Buffer.from('hello '.repeat(500)), 'text/plain');
  await local.sync(hub);
  for (const db of [local, hub]) {
    assert.ok(large.equals(await db.getAttachment('mine', 'large.bin')));
    assert.ok(small.equals(await db.getAttachment('theirs', 'small.bin')));
    assert.equal((await db.getAttachment('text', 'a.txt')).length, 3_000);
  }
  await assertSame(local, hub);
  // An edit that leaves the attachment alone.
  await local.put({ ...(await local.get('theirs')), n: 2 });
  await local.sync(hub);
  assert.ok(small.equals(await hub.getAttachment('theirs', 'small.bin')));
});

test('deep histories and unusual ids travel', async () => {
  const [local, hub] = [memory(), remote()];
  let rev;
  for (let n = 0; n < 40; n += 1) ({ rev } = await local.put({ _id: 'deep', _rev: rev, n }));
  await local.bulkDocs(['a/b', 'é', 'ñ', 'a+b', 'a b'].map((_id) => ({ _id })));
  await local.replicate.to(hub);
  await assertSame(local, hub);
  const { _revisions } = await hub.get('deep', { revs: true });
  assert.equal(_revisions.start, 40);
  assert.deepEqual(_revisions, (await local.get('deep', { revs: true }))._revisions);
});

test('chosen documents only', async () => {
  const [local, hub] = [memory(), remote()];
  await fill(hub, 'x', 20);
  await local.replicate.from(hub, { doc_ids: ['x3', 'x4'] });
  assert.deepEqual(Object.keys(await winners(local)).sort(), ['x3', 'x4']);
});

test('live sync carries edits, conflicts and attachments both ways', async () => {
  const [local, hub] = [memory(), remote()];
  await disagree(local, hub);
  const sync = local.sync(hub, { live: true });
  const bytes = randomBytes(70_000);
  await Promise.all([fill(local, 'mine', 40), fill(hub, 'theirs', 40)]);
  await local.putAttachment('mine-file', 'a.bin', bytes, 'application/octet-stream');
  await hub.putAttachment('theirs-file', 'b.bin', bytes, 'application/octet-stream');
  await local.put({ _id: 'mine-last' });
  await hub.put({ _id: 'theirs-last' });
  await Promise.all([
    seen(hub, ({ id }) => id === 'mine-last'), seen(local, ({ id }) => id === 'theirs-last'),
  ]);

  // A deletion travels as well.
  await local.remove(await local.get('mine0'));
  await seen(hub, ({ id, deleted }) => id === 'mine0' && deleted);
  await cancelled(sync);
  await local.sync(hub);
  await assertSame(local, hub);
  assert.ok(bytes.equals(await hub.getAttachment('mine-file', 'a.bin')));
  assert.ok(bytes.equals(await local.getAttachment('theirs-file', 'b.bin')));
  assert.equal((await hub.get('shared', { conflicts: true }))._conflicts.length, 1);
});

test('two hubs are kept in step by a client', async () => {
  const [a, b] = [remote(hubs[0]), remote(hubs[1])];
  await fill(a, 'a', 120);
  await fill(b, 'b', 80);
  await a.putAttachment('file', 'x.bin', randomBytes(100_000), 'application/octet-stream');
  await disagree(a, b);
  await a.sync(b);
  await assertSame(a, b);
  const [ours, theirs] = await Promise.all([a, b].map((db) => db.getAttachment('file', 'x.bin')));
  assert.ok(ours.equals(theirs));
});
