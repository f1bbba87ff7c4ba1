// Attachments: text and binary, inline and by themselves.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { failure, remote, test } from './support.mjs';

// PouchDB adds a member to the buffers it hands out, so deepEqual would tell them apart.
function assertBytes(actual, expected) {
  assert.equal(Buffer.compare(actual, expected), 0, `${actual.length} bytes differ`);
}

const digest = (bytes) => `md5-${createHash('md5').update(bytes).digest('base64')}`;

test('an attachment is put, read and removed by itself', async () => {
  const db = remote();
  const { rev } = await db.put({ _id: 'x', n: 1 });
  const text = Buffer.from('Zwölf Boxkämpfer jagen Viktor\n'.repeat(40));
  const put = await db.putAttachment('x', 'notes.txt', rev, text, 'text/plain');
  assert.match(put.rev, /^2-/);
  assertBytes(await db.getAttachment('x', 'notes.txt'), text);

  const doc = await db.get('x');
  assert.equal(doc.n, 1);
  const stub = doc._attachments['notes.txt'];
  assert.deepEqual([stub.content_type, stub.stub, stub.revpos], ['text/plain', true, 2]);
  assert.match(stub.digest, /^md5-/);

  const removed = await db.removeAttachment('x', 'notes.txt', put.rev);
  assert.match(removed.rev, /^3-/);
  assert.equal((await failure(() => db.getAttachment('x', 'notes.txt'))).status, 404);
  assert.equal((await db.get('x'))._attachments, undefined);
  assertBytes(await db.getAttachment('x', 'notes.txt', { rev: put.rev }), text);
});

test('an attachment creates its document', async () => {
  const db = remote();
  const bytes = Buffer.from([0, 1, 2, 255]);
  await db.putAttachment('new', 'a.bin', bytes, 'application/octet-stream');
  assertBytes(await db.getAttachment('new', 'a.bin'), bytes);
  const stub = (await db.get('new'))._attachments['a.bin'];
  assert.deepEqual([stub.length, stub.digest, stub.revpos], [4, digest(bytes), 1]);
});

test('binary attachments of every size come back byte for byte', async () => {
  const db = remote();
  let rev;
  const sizes = [0, 1, 4_095, 65_535, 65_536, 65_537, 1_500_000];
  const sent = new Map(sizes.map((size) => [`${size}.bin`, randomBytes(size)]));
  for (const [name, bytes] of sent) {
    ({ rev } = await db.putAttachment('x', name, rev, bytes, 'application/octet-stream'));
  }
  const { _attachments: stubs } = await db.get('x');
  for (const [name, bytes] of sent) {
    assertBytes(await db.getAttachment('x', name), bytes);
    assert.deepEqual([stubs[name].length, stubs[name].digest], [bytes.length, digest(bytes)]);
  }
});

test('inline attachments go in as base64 or buffer and come out as asked', async () => {
  const db = remote();
  const bytes = randomBytes(1_000);
  await db.put({
    _id: 'x',
    _attachments: {
      text: { content_type: 'text/plain', data: btoa('hello') },
      blob: { content_type: 'image/png', data: bytes },
    },
  });
  const base64 = (await db.get('x', { attachments: true }))._attachments;
  assert.equal(atob(base64.text.data), 'hello');
  assert.equal(base64.blob.data, bytes.toString('base64'));
  assert.equal(base64.blob.stub, undefined);
  const buffers = (await db.get('x', { attachments: true, binary: true }))._attachments;
  assertBytes(buffers.blob.data, bytes);
});

test('stubs keep attachments over an edit; leaving one out drops it', async () => {
  const db = remote();
  const data = btoa('kept');
  await db.put({
    _id: 'x',
    _attachments: {
      kept: { content_type: 'text/plain', data },
      dropped: { content_type: 'text/plain', data: btoa('dropped') },
    },
  });
  const doc = await db.get('x');
  delete doc._attachments.dropped;
  await db.put({ ...doc, n: 2 });
  const after = await db.get('x', { attachments: true });
  assert.deepEqual(Object.keys(after._attachments), ['kept']);
  assert.equal(after._attachments.kept.data, data);
  assert.equal(after._attachments.kept.revpos, 1);
});

test('a stub for something that is not there is refused', async () => {
  const db = remote();
  const stub = { content_type: 'text/plain', stub: true, digest: digest('x'), length: 1, revpos: 1 };
  const error = await failure(() => db.put({ _id: 'x', _attachments: { ghost: stub } }));
  assert.equal(error.status, 412);
});

test('attachment names with slash, space and accents', async () => {
  const db = remote();
  let rev;
  for (const name of ['a/b.txt', 'a b.txt', 'é.txt', '日本', 'a+b&c=d?.txt', '100%.txt']) {
    ({ rev } = await db.putAttachment('x', name, rev, Buffer.from(name), 'text/plain'));
    assert.equal((await db.getAttachment('x', name)).toString(), name);
  }
});

test('a stale revision cannot touch attachments', async () => {
  const db = remote();
  const first = await db.putAttachment('x', 'a', Buffer.from('1'), 'text/plain');
  await db.putAttachment('x', 'a', first.rev, Buffer.from('2'), 'text/plain');
  for (const attempt of [
    () => db.putAttachment('x', 'a', first.rev, Buffer.from('3'), 'text/plain'),
    () => db.putAttachment('x', 'b', Buffer.from('3'), 'text/plain'),
    () => db.removeAttachment('x', 'a', first.rev),
  ]) {
    assert.equal((await failure(attempt)).status, 409);
  }
  assert.equal((await db.getAttachment('x', 'a')).toString(), '2');
});
