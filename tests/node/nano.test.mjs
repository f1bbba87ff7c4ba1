// nano 11: databases, documents, listings and attachments.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import nano from 'nano';
import { failure, freshName, hubs, test } from './hubs.mjs';

const server = nano(hubs[0]);

async function database(docs = []) {
  const name = freshName('nano');
  await server.db.create(name);
  const db = server.use(name);
  if (docs.length > 0) await db.bulk({ docs });
  return db;
}

const digest = (bytes) => `md5-${createHash('md5').update(bytes).digest('base64')}`;
const numbered = (count) => Array.from({ length: count }, (_, n) => ({ _id: `doc-${n}`, n }));
const ids = ({ rows }) => rows.map(({ id }) => id);

test('a database is made, described, listed, compacted and destroyed', async () => {
  const name = freshName('nano/with+odd$name');
  assert.deepEqual(await server.db.create(name, { q: 2, n: 1 }), { ok: true });
  const again = await failure(() => server.db.create(name));
  assert.deepEqual([again.statusCode, again.error], [412, 'file_exists']);
  assert.equal(
    again.reason,
    'The database could not be created, the file already exists.',
  );

  const info = await server.db.get(name);
  assert.deepEqual([info.db_name, info.doc_count, info.doc_del_count], [name, 0, 0]);
  assert.match(info.update_seq, /^0-/);
  assert.match(info.instance_start_time, /^\d+$/);
  assert.deepEqual(await server.use(name).info(), info);
  assert.ok((await server.db.list()).includes(name));
  const streamed = JSON.parse(await buffer(server.db.listAsStream()));
  assert.ok(streamed.includes(name));

  assert.deepEqual(await server.db.compact(name), { ok: true });
  assert.deepEqual(await server.use(name).compact(), { ok: true });
  const { view } = server.use(name);
  assert.equal((await failure(() => view.compact('garden'))).statusCode, 404);
  await server.use(name).insert({}, '_design/garden');
  assert.deepEqual(await view.compact('garden'), { ok: true });

  assert.deepEqual(await server.db.destroy(name), { ok: true });
  const gone = await failure(() => server.db.get(name));
  assert.deepEqual(
    [gone.statusCode, gone.error, gone.reason],
    [404, 'not_found', 'Database does not exist.'],
  );
});

test('names that cannot be are refused', async () => {
  for (const name of ['Upper', '_own', '1st', 'a b', 'ü']) {
    const error = await failure(() => server.db.create(name));
    assert.deepEqual([error.statusCode, error.error], [400, 'illegal_database_name'], name);
  }
});

test('a document is inserted, read, asked for, changed and destroyed', async () => {
  const db = await database();
  const first = await db.insert({ n: 1 }, 'a');
  assert.match(first.rev, /^1-[0-9a-f]{32}$/);
  assert.deepEqual(await db.get('a'), { _id: 'a', _rev: first.rev, n: 1 });
  assert.equal((await db.head('a')).etag, `"${first.rev}"`);

  const second = await db.insert({ _id: 'a', _rev: first.rev, n: 2 });
  assert.match(second.rev, /^2-/);
  const third = await db.insert({ _rev: second.rev, n: 3 }, { docName: 'a', batch: 'ok' });
  assert.equal(third.ok, true);

  const stale = await failure(() => db.insert({ _rev: first.rev, n: 4 }, 'a'));
  assert.deepEqual(
    [stale.statusCode, stale.error, stale.reason],
    [409, 'conflict', 'Document update conflict.'],
  );

  const { _rev } = await db.get('a');
  const removed = await db.destroy('a', _rev);
  assert.deepEqual([removed.ok, removed.id], [true, 'a']);
  const deleted = await failure(() => db.get('a'));
  assert.deepEqual([deleted.statusCode, deleted.reason], [404, 'deleted']);
  assert.equal((await failure(() => db.head('a'))).statusCode, 404);
  const missing = await failure(() => db.get('nowhere'));
  assert.deepEqual([missing.statusCode, missing.reason], [404, 'missing']);
});

test('a document without an id is given one', async () => {
  const db = await database();
  const { id, rev } = await db.insert({ n: 1 });
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal((await db.get(id))._rev, rev);
});

test('ids that need encoding, design documents and local documents', async () => {
  const db = await database();
  for (const id of ['a/b', 'a b', 'a+b&c=d?', 'é', '日本', 'a%2Fb', '100%', 'x:y', "o'clock"]) {
    await db.insert({ id }, id);
    assert.deepEqual([(await db.get(id)).id, (await db.get(id))._id], [id, id]);
  }
  await db.insert({ language: 'javascript' }, '_design/garden');
  assert.equal((await db.get('_design/garden')).language, 'javascript');

  assert.equal((await db.insert({ n: 1 }, '_local/mark')).rev, '0-1');
  assert.equal((await db.insert({ n: 2 }, '_local/mark')).rev, '0-1');
  assert.deepEqual(await db.get('_local/mark'), { _id: '_local/mark', _rev: '0-1', n: 2 });
  assert.equal((await db.destroy('_local/mark', '0-1')).rev, '0-0');
  assert.equal((await failure(() => db.get('_local/mark'))).statusCode, 404);
});

test('get tells of revisions, conflicts and sequences', async () => {
  const db = await database();
  const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(32));
  const branch = (ids) => ({ _id: 'x', _revisions: { start: ids.length, ids }, tip: ids[0] });
  await db.bulk({ docs: [branch([b, a]), branch([c, a])], new_edits: false });
  await db.bulk({
    docs: [{ ...branch([a, b, a]), _deleted: true }],
    new_edits: false,
  });

  const every = { revs: true, revs_info: true, conflicts: true, local_seq: true };
  const doc = await db.get('x', { ...every, deleted_conflicts: true });
  assert.equal(doc._rev, `2-${c}`);
  assert.deepEqual(doc._revisions, { start: 2, ids: [c, a] });
  assert.deepEqual(doc._revs_info.map(({ rev }) => rev), [`2-${c}`, `1-${a}`]);
  assert.deepEqual(doc._revs_info.map(({ status }) => status), ['available', 'missing']);
  assert.equal(doc._conflicts, undefined);
  assert.deepEqual(doc._deleted_conflicts, [`3-${a}`]);
  assert.ok(doc._local_seq !== undefined);
  const meta = await db.get('x', { meta: true });
  assert.deepEqual(meta._deleted_conflicts, [`3-${a}`]);

  assert.equal((await db.get('x', { rev: `3-${a}` }))._deleted, true);
  assert.equal((await db.get('x', { rev: `2-${b}`, latest: true }))._rev, `3-${a}`);
  const all = await db.get('x', { open_revs: 'all' });
  assert.deepEqual(all.map(({ ok }) => ok._rev).sort(), [`2-${c}`, `3-${a}`]);
  const some = await db.get('x', { open_revs: JSON.stringify([`2-${c}`, '9-none']) });
  assert.deepEqual(some.map(({ ok, missing }) => ok?._rev ?? missing), [`2-${c}`, '9-none']);
  const [only] = await db.get('x', {
    open_revs: JSON.stringify([`2-${b}`]), latest: true, revs: true,
  });
  assert.deepEqual(only.ok._revisions.ids, [a, b, a]);
});

test('bulk writes tell of each document', async () => {
  const db = await database(numbered(3));
  const { rows } = await db.fetchRevs({ keys: ['doc-0', 'doc-1', 'doc-2'] });
  const results = await db.bulk({
    docs: [
      { _id: 'doc-0', _rev: rows[0].value.rev, n: 'changed' },
      { _id: 'doc-1', n: 'no revision' },
      { _id: 'doc-2', _rev: rows[2].value.rev, _deleted: true },
      { n: 'no id' },
    ],
  });
  assert.deepEqual(results.map(({ ok, error }) => ok ?? error), [true, 'conflict', true, true]);
  assert.equal(results[1].reason, 'Document update conflict.');
  assert.equal((await db.info()).doc_count, 3);
  assert.equal((await db.info()).doc_del_count, 1);

  const refused = await failure(() => db.bulk({ docs: [{ _id: 'y', _foo: 1 }] }));
  assert.deepEqual([refused.statusCode, refused.error], [400, 'doc_validation']);
  assert.equal((await failure(() => db.bulk({}))).statusCode, 400);
});

test('listings by range, by keys, paged, streamed, with documents', async () => {
  const db = await database(numbered(10));
  const all = await db.list();
  assert.deepEqual([all.total_rows, all.offset, all.rows.length], [10, 0, 10]);
  assert.deepEqual(await JSON.parse(await buffer(db.listAsStream())), all);

  const listed = async (options) => ids(await db.list(options));
  assert.deepEqual(await listed({ startkey: 'doc-3', endkey: 'doc-5' }), ['doc-3', 'doc-4', 'doc-5']);
  assert.deepEqual(await listed({ start_key: 'doc-3', end_key: 'doc-4' }), ['doc-3', 'doc-4']);
  assert.deepEqual(
    await listed({ startkey: 'doc-3', endkey: 'doc-5', inclusive_end: false }), ['doc-3', 'doc-4'],
  );
  assert.deepEqual(await listed({ descending: true, limit: 2, skip: 1 }), ['doc-8', 'doc-7']);
  assert.deepEqual(await listed({ key: 'doc-7' }), ['doc-7']);
  assert.equal((await db.list({ startkey: 'doc-4', update_seq: true })).offset, 4);

  const { rows: [first] } = await db.list({ keys: ['doc-1'], include_docs: true });
  assert.equal(first.doc.n, 1);
  const fetched = await db.fetch({ keys: ['doc-9', 'nowhere', 'doc-0'] });
  assert.deepEqual(fetched.rows.map(({ doc, error }) => doc?.n ?? error), [9, 'not_found', 0]);
  assert.equal(fetched.offset, null);

  await db.destroy('doc-0', (await db.get('doc-0'))._rev);
  const { rows: [deleted] } = await db.fetch({ keys: ['doc-0'] });
  assert.deepEqual([deleted.value.deleted, deleted.doc], [true, null]);
});

test('several listings in one request', async () => {
  const db = await database(numbered(5));
  await db.insert({}, '_design/a');
  const queries = { queries: [{ keys: ['doc-4', 'nowhere'] }, { limit: 1, skip: 2 }] };
  const { results } = await db.baseView(null, null, { viewPath: '_all_docs/queries' }, queries);
  assert.deepEqual(results[0].rows.map(({ key }) => key), ['doc-4', 'nowhere']);
  assert.deepEqual(ids(results[1]), ['doc-1']);
  const designs = await db.baseView(null, null, { viewPath: '_design_docs' }, {});
  assert.deepEqual(ids(designs), ['_design/a']);
});

test('an attachment is put, read, streamed and destroyed', async () => {
  const db = await database();
  const [text, bytes] = [Buffer.from('hello '.repeat(1_000)), randomBytes(200_000)];
  const first = await db.attachment.insert('x', 'a.txt', text, 'text/plain');
  const second = await db.attachment.insert('x', 'b.bin', bytes, 'application/octet-stream', {
    rev: first.rev,
  });
  assert.match(second.rev, /^2-/);
  // nano makes text of what is called text.
  assert.equal(await db.attachment.get('x', 'a.txt'), text.toString());
  assert.ok(bytes.equals(await db.attachment.get('x', 'b.bin')));
  assert.ok(bytes.equals(await buffer(db.attachment.getAsStream('x', 'b.bin'))));
  assert.equal((await failure(() => db.attachment.get('x', 'c'))).statusCode, 404);

  const { _attachments: stubs } = await db.get('x', { att_encoding_info: true });
  assert.deepEqual(
    [stubs['b.bin'].length, stubs['b.bin'].digest, stubs['b.bin'].revpos, stubs['b.bin'].stub],
    [bytes.length, digest(bytes), 2, true],
  );
  assert.equal(stubs['a.txt'].length, text.length);
  const since = await db.get('x', {
    attachments: true, atts_since: JSON.stringify([first.rev]),
  });
  assert.deepEqual(
    [since._attachments['a.txt'].stub, since._attachments['b.bin'].data],
    [true, bytes.toString('base64')],
  );

  const stale = await failure(() => db.attachment.destroy('x', 'a.txt', { rev: first.rev }));
  assert.equal(stale.statusCode, 409);
  await db.attachment.destroy('x', 'a.txt', { rev: second.rev });
  assert.deepEqual(Object.keys((await db.get('x'))._attachments), ['b.bin']);
});

test('a document and its attachments are sent and fetched as multipart', async () => {
  const db = await database();
  const bytes = Buffer.from('a picture, '.repeat(99));
  const { rev } = await db.multipart.insert(
    { n: 1 },
    [
      { name: 'one.txt', data: 'some text', content_type: 'text/plain' },
      { name: 'two.png', data: bytes, content_type: 'image/png' },
    ],
    'x',
  );
  assert.match(rev, /^1-/);
  const doc = await db.get('x', { attachments: true });
  assert.equal(doc.n, 1);
  assert.equal(atob(doc._attachments['one.txt'].data), 'some text');
  assert.equal(doc._attachments['two.png'].data, bytes.toString('base64'));

  const text = await db.multipart.get('x');
  assert.match(text, /"follows":true/);
  assert.ok(text.includes(bytes.toString('utf8')));
  assert.match(text, /Content-Disposition: attachment; filename="two.png"/i);

  // What is there stays by its stub, and one more comes.
  const stubs = (await db.get('x'))._attachments;
  await db.multipart.insert(
    { _rev: rev, _attachments: stubs, n: 2 },
    [{ name: 'three', data: '3', content_type: 'text/plain' }],
    { docName: 'x' },
  );
  const { _attachments: after } = await db.get('x');
  assert.deepEqual(Object.keys(after).sort(), ['one.txt', 'three', 'two.png']);
});

test('partitions are described and listed', async () => {
  const name = freshName('nano');
  await server.db.create(name, { partitioned: true });
  const db = server.use(name);
  assert.equal((await db.info()).props.partitioned, true);
  const docs = ['a:1', 'a:2', 'b:1'].map((_id) => ({ _id }));
  await db.bulk({ docs });
  const info = await db.partitionInfo('a');
  assert.deepEqual([info.db_name, info.partition, info.doc_count], [name, 'a', 2]);
  const listed = await db.partitionedList('a', { include_docs: true });
  assert.deepEqual(ids(listed), ['a:1', 'a:2']);
  assert.deepEqual(JSON.parse(await buffer(db.partitionedListAsStream('b'))).rows.length, 1);
  const none = await failure(() => db.insert({}, 'whole'));
  assert.deepEqual([none.statusCode, none.error], [400, 'illegal_docid']);
});

test('documents are found, by an index and in a partition', async () => {
  const db = await database(numbered(12));
  const index = { index: { fields: ['n'] }, name: 'n', ddoc: 'n' };
  assert.deepEqual(await db.createIndex(index), { result: 'created', id: '_design/n', name: 'n' });
  const query = { selector: { n: { $gte: 3 } }, sort: [{ n: 'desc' }], fields: ['n'], limit: 2 };
  const first = await db.find({ ...query, execution_stats: true });
  assert.deepEqual(first.docs, [{ n: 11 }, { n: 10 }]);
  assert.equal(first.execution_stats.results_returned, 2);
  const second = JSON.parse(await buffer(db.findAsStream({ ...query, bookmark: first.bookmark })));
  assert.deepEqual(second.docs, [{ n: 9 }, { n: 8 }]);

  const name = freshName('nano');
  await server.db.create(name, { partitioned: true });
  const parted = server.use(name);
  await parted.bulk({ docs: ['a:1', 'a:2', 'b:1'].map((_id) => ({ _id, n: 1 })) });
  const found = await parted.partitionedFind('a', { selector: { n: 1 } });
  assert.deepEqual(found.docs.map(({ _id }) => _id), ['a:1', 'a:2']);
  const error = await failure(() => db.find({}));
  assert.deepEqual([error.statusCode, error.error], [400, 'missing_required_key']);
});

test('what nano has no words for: bulk reads, differences, security, purge', async () => {
  const db = await database(numbered(2));
  const on = (method, path, body) =>
    server.request({ db: db.config.db, path, method, body });
  const { _rev } = await db.get('doc-0');

  const read = await on('post', '_bulk_get', { docs: [{ id: 'doc-0' }, { id: 'nowhere' }] });
  assert.equal(read.results[0].docs[0].ok.n, 0);
  assert.deepEqual(
    [read.results[1].docs[0].error.rev, read.results[1].docs[0].error.error],
    ['undefined', 'not_found'],
  );
  const wanted = { 'doc-0': [_rev, '7-none'], nowhere: ['1-a'] };
  const difference = await on('post', '_revs_diff', wanted);
  assert.deepEqual(difference['doc-0'].missing, ['7-none']);
  assert.deepEqual(difference.nowhere, { missing: ['1-a'] });
  const missing = await on('post', '_missing_revs', wanted);
  assert.deepEqual(missing.missing_revs, { 'doc-0': ['7-none'], nowhere: ['1-a'] });

  const security = { admins: { names: ['a'], roles: [] }, members: { names: [], roles: ['r'] } };
  assert.deepEqual(await on('put', '_security', security), { ok: true });
  assert.deepEqual(await on('get', '_security'), security);
  assert.deepEqual(await on('put', '_revs_limit', 7), { ok: true });
  assert.equal(await on('get', '_revs_limit'), 7);
  assert.equal((await on('post', '_ensure_full_commit')).ok, true);
  assert.deepEqual(await on('post', '_view_cleanup'), { ok: true });
  const purged = await on('post', '_purge', { 'doc-0': [_rev] });
  assert.deepEqual(purged.purged, { 'doc-0': [_rev] });
  assert.equal((await failure(() => db.get('doc-0'))).reason, 'missing');
  assert.deepEqual(await on('put', '_purged_infos_limit', 500), { ok: true });
  assert.equal(await on('get', '_purged_infos_limit'), 500);
  assert.equal(Object.keys((await on('get', '_shards')).shards).length, 1);
  assert.deepEqual(await on('post', '_sync_shards'), { ok: true });
});

test('COPY in nano goes out in small letters, which is no method of HTTP', async () => {
  const db = await database(numbered(1));
  const copy = { db: db.config.db, path: 'doc-0', method: 'COPY', headers: {} };
  const error = await failure(() => server.request(copy));
  assert.deepEqual([error.statusCode, error.error], [405, 'method_not_allowed']);
});
