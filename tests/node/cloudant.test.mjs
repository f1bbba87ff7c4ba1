// @ibm-cloud/cloudant 0.12: databases, documents, attachments, listings and what replicators ask.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { buffer, json, text } from 'node:stream/consumers';
import { Pagination, PagerType } from '@ibm-cloud/cloudant';
import { failure, freshName, test } from './hubs.mjs';
import { cloudant } from './cloudant.mjs';

const service = cloudant();
const plain = cloudant({ gzip: false });

async function database(docs = [], options = {}) {
  const db = freshName('cloudant');
  await service.putDatabase({ db, ...options });
  if (docs.length > 0) await service.postBulkDocs({ db, bulkDocs: { docs } });
  return db;
}

const digest = (bytes) => `md5-${createHash('md5').update(bytes).digest('base64')}`;
const numbered = (count) => Array.from({ length: count }, (_, n) => ({ _id: `doc-${n}`, n }));
const ids = ({ rows }) => rows.map(({ id }) => id);

test('a database is made, asked for, described and deleted', async () => {
  const db = freshName('cloudant');
  const made = await service.putDatabase({ db, q: 2 });
  assert.deepEqual([made.status, made.result], [201, { ok: true }]);
  const again = await failure(() => service.putDatabase({ db }));
  assert.equal(again.status, 412);
  assert.match(again.message, /^file_exists: /);
  assert.equal((await service.headDatabase({ db })).status, 200);

  const { result } = await service.getDatabaseInformation({ db });
  assert.deepEqual([result.dbName, result.docCount, result.docDelCount], [db, 0, 0]);
  assert.deepEqual(Object.keys(result.sizes).sort(), ['active', 'external', 'file']);
  assert.equal(typeof result.cluster.q, 'number');
  assert.equal(typeof result.props, 'object');

  assert.deepEqual((await service.deleteDatabase({ db })).result, { ok: true });
  assert.equal((await failure(() => service.headDatabase({ db }))).status, 404);
  const gone = await failure(() => service.getDatabaseInformation({ db }));
  assert.deepEqual([gone.status, gone.message], [404, 'not_found: Database does not exist.']);
});

test('databases are listed and described several at once', async () => {
  const [a, b] = [await database(numbered(2)), await database()];
  // The client leaves these two as they are; other keys it writes as JSON.
  const quoted = JSON.stringify;
  const all = (await service.getAllDbs({ startKey: quoted(a), endKey: quoted(b), limit: 50 })).result;
  assert.ok(all.includes(a) && all.includes(b));
  const down = (await service.getAllDbs({ descending: true, skip: 0 })).result;
  assert.ok(down.indexOf(b) < down.indexOf(a));
  const { result } = await service.postDbsInfo({ keys: [a, 'nowhere', b] });
  assert.deepEqual(
    result.map(({ key, info, error }) => [key, info?.docCount ?? error]),
    [[a, 2], ['nowhere', 'not_found'], [b, 0]],
  );
});

test('a document is posted, put, read, asked for and deleted', async () => {
  const db = await database();
  const posted = await service.postDocument({ db, document: { n: 0 }, batch: 'ok' });
  assert.equal(posted.result.ok, true);

  const first = await service.putDocument({ db, docId: 'a', document: { n: 1 } });
  assert.deepEqual([first.status, first.result.id], [201, 'a']);
  const { rev } = first.result;
  const read = await service.getDocument({ db, docId: 'a' });
  assert.deepEqual(read.result, { _id: 'a', _rev: rev, n: 1 });
  assert.equal(read.headers.etag, `"${rev}"`);
  const head = await service.headDocument({ db, docId: 'a' });
  assert.equal(head.headers.etag, `"${rev}"`);
  // Known already, which axios takes for a failure.
  const known = await failure(() => service.getDocument({ db, docId: 'a', ifNoneMatch: `"${rev}"` }));
  assert.equal(known.status, 304);

  const second = await service.putDocument({ db, docId: 'a', document: { n: 2 }, ifMatch: rev });
  assert.match(second.result.rev, /^2-/);
  const stale = await failure(() =>
    service.putDocument({ db, docId: 'a', document: { n: 3 }, rev }));
  assert.deepEqual([stale.status, stale.message], [409, 'conflict: Document update conflict.']);
  const streamed = await json(
    (await service.getDocumentAsStream({ db, docId: 'a', revsInfo: true })).result,
  );
  assert.deepEqual(streamed._revs_info.length, 2);

  const gone = await service.deleteDocument({ db, docId: 'a', rev: second.result.rev });
  assert.match(gone.result.rev, /^3-/);
  const deleted = await failure(() => service.getDocument({ db, docId: 'a' }));
  assert.deepEqual([deleted.status, deleted.message], [404, 'not_found: deleted']);
});

test('a history kept elsewhere is written as it is, and read back', async () => {
  const db = await database();
  const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(32));
  const revision = (ids, more) => ({ _revisions: { start: ids.length, ids }, ...more });
  const write = (ids, more) => service.putDocument({
    db, docId: 'x', document: { ...revision(ids, more), _rev: `${ids.length}-${ids[0]}` },
    newEdits: false,
  });
  await write([b, a], { n: 1 });
  await write([c, a], { n: 2 });
  await write([a, c, a], { _deleted: true });
  const { result } = await service.getDocument({
    db, docId: 'x', conflicts: true, deletedConflicts: true, localSeq: true, revs: true, meta: true,
  });
  assert.deepEqual(result._revisions, { start: 2, ids: [b, a] });
  assert.deepEqual(result._deleted_conflicts, [`3-${a}`]);
  assert.ok(result._local_seq !== undefined);
  const leaf = await service.getDocument({ db, docId: 'x', rev: `2-${c}`, latest: true });
  assert.deepEqual([leaf.result._rev, leaf.result._deleted], [`3-${a}`, true]);

  // Without `open_revs`, which this client does not have, there is nothing to mix.
  const mixed = await service.getDocumentAsMixed({ db, docId: 'x', revs: true });
  assert.equal((await json(mixed.result))._rev, `2-${b}`);
});

test('bulk writes and bulk reads', async () => {
  const db = await database(numbered(2));
  const { result: [{ rev }] } = await service.postBulkDocs({
    db, bulkDocs: { docs: [{ _id: 'x', n: 1 }] },
  });
  const { result } = await service.postBulkDocs({
    db,
    bulkDocs: { docs: [{ _id: 'x', _rev: rev, _deleted: true }, { _id: 'doc-0', n: 'stale' }] },
  });
  assert.deepEqual(result.map(({ ok, error }) => ok ?? error), [true, 'conflict']);
  const kept = await service.postBulkDocs({
    db,
    bulkDocs: {
      docs: [{ _id: 'y', _rev: '7-ab', _revisions: { start: 7, ids: ['ab', 'cd'] } }],
      newEdits: false,
    },
  });
  assert.deepEqual([kept.status, kept.result], [201, []]);

  const wanted = { db, docs: [{ id: 'doc-0' }, { id: 'y', rev: '7-ab' }, { id: 'no', rev: '1-a' }] };
  const read = await service.postBulkGet({ ...wanted, revs: true });
  const [zero, y, no] = read.result.results.map(({ docs: [doc] }) => doc);
  assert.equal(zero.ok.n, 0);
  assert.deepEqual(y.ok._revisions, { start: 7, ids: ['ab', 'cd'] });
  assert.deepEqual([no.error.id, no.error.rev, no.error.error], ['no', '1-a', 'not_found']);
  const streamed = await json((await service.postBulkGetAsStream(wanted)).result);
  assert.equal(streamed.results.length, 3);
});

test('bulk reads as multipart', async () => {
  const db = await database();
  const data = Buffer.from('some bytes');
  const put = { db, docId: 'x', attachmentName: 'a', attachment: data, contentType: 'image/png' };
  await plain.putAttachment(put);
  const wanted = { db, docs: [{ id: 'x' }, { id: 'no' }], attachments: true };
  for (const call of ['postBulkGetAsMixed', 'postBulkGetAsRelated']) {
    const { result, headers } = await service[call](wanted);
    const parts = await text(result);
    const kind = call.endsWith('Mixed') ? 'mixed' : 'related';
    assert.match(headers['content-type'], new RegExp(`^multipart/${kind}; boundary=`));
    assert.match(parts, /X-Doc-Id: x\r\n/i, call);
    assert.ok(parts.includes('some bytes'), call);
    assert.match(parts, /error="true"/, call);
  }
});

test('listings with every option', async () => {
  const db = await database(numbered(10));
  const list = async (options) => (await service.postAllDocs({ db, ...options })).result;
  const all = await list({ updateSeq: true });
  assert.deepEqual([all.totalRows, all.rows.length], [10, 10]);
  assert.match(String(all.updateSeq), /^10-/);
  assert.deepEqual(ids(await list({ startKey: 'doc-3', endKey: 'doc-4' })), ['doc-3', 'doc-4']);
  assert.deepEqual(ids(await list({ key: 'doc-9' })), ['doc-9']);
  assert.deepEqual(
    ids(await list({ startKey: 'doc-3', endKey: 'doc-5', inclusiveEnd: false, skip: 1 })),
    ['doc-4'],
  );
  const chosen = await list({ keys: ['doc-9', 'no', 'doc-1'], includeDocs: true, conflicts: true });
  assert.deepEqual(chosen.rows.map(({ doc, error }) => doc?.n ?? error), [9, 'not_found', 1]);
  const streamed = await json((await service.postAllDocsAsStream({ db, limit: 2 })).result);
  assert.deepEqual(ids(streamed), ['doc-0', 'doc-1']);

  const queries = [{ keys: ['doc-1', 'doc-2'] }, { descending: true, limit: 1 }];
  const { result } = await service.postAllDocsQueries({ db, queries });
  assert.deepEqual(result.results.map(ids), [['doc-1', 'doc-2'], ['doc-9']]);
  const stream = (await service.postAllDocsQueriesAsStream({ db, queries })).result;
  assert.deepEqual((await json(stream)).results.length, 2);
});

test('design documents are documents', async () => {
  const db = await database(numbered(1));
  const designDocument = { views: { all: { map: 'function (doc) { emit(doc._id); }' } } };
  const put = await service.putDesignDocument({ db, ddoc: 'garden', designDocument });
  const { rev } = put.result;
  const read = (await service.getDesignDocument({ db, ddoc: 'garden', revs: true })).result;
  assert.deepEqual([read._id, read._rev], ['_design/garden', rev]);
  assert.deepEqual(read.views, designDocument.views);
  assert.equal((await service.headDesignDocument({ db, ddoc: 'garden' })).status, 200);
  const listed = await service.postDesignDocs({ db, includeDocs: true });
  assert.deepEqual(ids(listed.result), ['_design/garden']);
  const queries = [{ limit: 1 }, { keys: ['_design/garden', '_design/none'] }];
  const several = (await service.postDesignDocsQueries({ db, queries })).result.results;
  assert.deepEqual(several.map(({ rows }) => rows.length), [1, 2]);
  await service.deleteDesignDocument({ db, ddoc: 'garden', rev });
  assert.equal((await failure(() => service.getDesignDocument({ db, ddoc: 'garden' }))).status, 404);
});

test('attachments', async () => {
  const db = await database();
  const bytes = randomBytes(100_000);
  const at = { db, docId: 'x', attachmentName: 'a.bin' };
  const { result: { rev } } = await plain.putAttachment({
    ...at, attachment: bytes, contentType: 'application/octet-stream',
  });
  const read = await service.getAttachment(at);
  assert.ok(bytes.equals(await buffer(read.result)));
  const head = await service.headAttachment(at);
  assert.equal(head.headers['content-length'], String(bytes.length));
  assert.equal(head.headers.etag, `"${digest(bytes).slice(4)}"`);
  const part = await service.getAttachment({ ...at, range: 'bytes=5-14' });
  assert.equal(part.status, 206);
  assert.ok(bytes.subarray(5, 15).equals(await buffer(part.result)));

  const inline = (await service.getDocument({ db, docId: 'x', attachments: true })).result;
  assert.ok(bytes.equals(inline._attachments['a.bin'].data));
  const stub = (await service.getDocument({ db, docId: 'x', attEncodingInfo: true })).result;
  assert.deepEqual(
    [stub._attachments['a.bin'].length, stub._attachments['a.bin'].digest],
    [bytes.length, digest(bytes)],
  );
  const related = await service.getDocumentAsRelated({ db, docId: 'x', attachments: true });
  assert.ok((await buffer(related.result)).includes(bytes));

  // A compressed request is an attachment that is kept compressed.
  const packed = { db, docId: 'y', attachmentName: 'b.bin' };
  await service.putAttachment({ ...packed, attachment: bytes, contentType: 'image/png' });
  assert.ok(bytes.equals(await buffer((await service.getAttachment(packed)).result)));

  await service.deleteAttachment({ ...at, rev });
  assert.equal((await failure(() => service.headAttachment(at))).status, 404);
});

test('partitions', async () => {
  const db = await database(['a:1', 'a:2', 'b:1'].map((_id) => ({ _id })), { partitioned: true });
  const { result } = await service.getPartitionInformation({ db, partitionKey: 'a' });
  assert.deepEqual([result.dbName, result.partition, result.docCount], [db, 'a', 2]);
  assert.deepEqual(Object.keys(result.sizes).sort(), ['active', 'external']);
  const listed = await service.postPartitionAllDocs({ db, partitionKey: 'a', includeDocs: true });
  assert.deepEqual(ids(listed.result), ['a:1', 'a:2']);
  const streamed = await service.postPartitionAllDocsAsStream({ db, partitionKey: 'b' });
  assert.deepEqual(ids(await json(streamed.result)), ['b:1']);
  const options = { db, partitionKey: 'a', limit: 1 };
  const paging = Pagination.newPagination(service, PagerType.POST_PARTITION_ALL_DOCS, options);
  assert.equal((await paging.pager().getAll()).length, 2);
});

test('local documents', async () => {
  const db = await database();
  const at = { db, docId: 'mark' };
  const put = await service.putLocalDocument({ ...at, document: { n: 1 }, batch: 'ok' });
  assert.equal(put.result.rev, '0-1');
  assert.equal((await service.getLocalDocument(at)).result.n, 1);
  assert.equal((await service.headLocalDocument(at)).status, 200);
  await service.deleteLocalDocument(at);
  assert.equal((await failure(() => service.getLocalDocument(at))).status, 404);
});

test('documents are found by indexes, which are made, listed, explained and deleted', async () => {
  const db = await database(numbered(30));
  const made = await service.postIndex({ db, ddoc: 'n', name: 'n', type: 'json', index: { fields: [{ n: 'asc' }] } });
  assert.deepEqual(made.result, { result: 'created', id: '_design/n', name: 'n' });
  const listed = (await service.getIndexesInformation({ db })).result;
  assert.equal(listed.total_rows ?? listed.totalRows, 2);
  const query = { db, selector: { n: { $gt: 3 } }, sort: [{ n: 'desc' }], limit: 2, useIndex: ['n'] };
  const { result } = await service.postFind({ ...query, executionStats: true });
  assert.deepEqual(result.docs.map(({ n }) => n), [29, 28]);
  const stream = (await service.postFindAsStream({ ...query, bookmark: result.bookmark })).result;
  assert.deepEqual((await json(stream)).docs.map(({ n }) => n), [27, 26]);
  const told = (await service.postExplain(query)).result;
  assert.equal(told.index.name, 'n');
  const pages = Pagination.newPagination(service, PagerType.POST_FIND, {
    db, selector: { n: { $gte: 0 } }, limit: 12,
  });
  const sizes = [];
  for await (const page of pages.pages()) sizes.push(page.length);
  assert.deepEqual(sizes, [12, 12, 6]);
  const gone = { db, ddoc: 'n', type: 'json', index: 'n' };
  assert.deepEqual((await service.deleteIndex(gone)).result, { ok: true });
  assert.equal((await failure(() => service.deleteIndex(gone))).status, 404);
  const parted = await database([{ _id: 'a:1' }, { _id: 'b:1' }], { partitioned: true });
  const found = await service.postPartitionFind({ db: parted, partitionKey: 'a', selector: {} });
  assert.deepEqual(found.result.docs.map(({ _id }) => _id), ['a:1']);
});

test('what replicators ask, shards and security', async () => {
  const db = await database(numbered(1));
  const { _rev } = (await service.getDocument({ db, docId: 'doc-0' })).result;
  const documentRevisions = { 'doc-0': [_rev, '5-b'], no: ['1-a'] };
  const { result } = await service.postRevsDiff({ db, documentRevisions });
  assert.deepEqual(result['doc-0'].missing, ['5-b']);
  assert.deepEqual(result['doc-0'].possibleAncestors, [_rev]);
  assert.deepEqual(result.no.missing, ['1-a']);

  const shards = (await service.getShardsInformation({ db })).result.shards;
  const [range] = Object.keys(shards);
  const one = (await service.getDocumentShardsInfo({ db, docId: 'doc-0' })).result;
  assert.deepEqual([one.range, one.nodes], [range, shards[range]]);

  const admins = { names: ['a'], roles: [] };
  const members = { names: [], roles: ['reader'] };
  assert.deepEqual((await service.putSecurity({ db, admins, members })).result, { ok: true });
  assert.deepEqual((await service.getSecurity({ db })).result, { admins, members });
});
