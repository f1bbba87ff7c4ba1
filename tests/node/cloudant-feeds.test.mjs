// @ibm-cloud/cloudant 0.12: log-in, feeds and what it builds on them, and the server itself.

import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { ChangesFollower, Pagination, PagerType } from '@ibm-cloud/cloudant';
import { address, eventually, failure, freshName, test } from './hubs.mjs';
import { cloudant } from './cloudant.mjs';

const service = cloudant();

async function filled(count) {
  const db = freshName('cloudant');
  await service.putDatabase({ db });
  const docs = Array.from({ length: count }, (_, n) => ({ _id: `doc-${n}`, n }));
  await service.postBulkDocs({ db, bulkDocs: { docs } });
  return db;
}

async function collected(stream) {
  const all = [];
  for await (const item of stream) all.push(item);
  return all;
}

test('log-in by JSON, compressed or not, and by Basic', async () => {
  const ways = [[{}, 'cookie'], [{ gzip: false }, 'cookie'], [{ basic: true }, 'default']];
  for (const [way, authenticated] of ways) {
    const { result } = await cloudant(way).getSessionInformation();
    assert.deepEqual([result.ok, result.userCtx.name], [true, address().username]);
    assert.equal(result.info.authenticated, authenticated);
  }
  for (const way of [{}, { basic: true }]) {
    const stranger = cloudant({ ...way, password: 'wrong' });
    const error = await failure(() => stranger.getAllDbs());
    assert.equal(error.status, 401);
  }
});

test('the server', async () => {
  const info = (await service.getServerInformation()).result;
  assert.equal(info.couchdb, 'Welcome');
  assert.equal(typeof info.vendor.name, 'string');
  assert.ok(Array.isArray(info.features));
  assert.equal((await service.getUuids({ count: 3 })).result.uuids.length, 3);
  assert.equal((await service.getUpInformation()).result.status, 'ok');
  assert.equal((await service.headUpInformation()).status, 200);
  const members = (await service.getMembershipInformation()).result;
  assert.deepEqual([members.allNodes.length, members.clusterNodes.length], [1, 1]);
  assert.ok(Array.isArray((await service.getActiveTasks()).result));
});

test('the changes of a database, with every option', async () => {
  const db = await filled(10);
  const changes = async (options) => (await service.postChanges({ db, ...options })).result;
  const all = await changes();
  assert.deepEqual([all.results.length, all.pending], [10, 0]);
  assert.equal(all.lastSeq, all.results.at(-1).seq);
  const page = await changes({ limit: 4, includeDocs: true, style: 'all_docs', conflicts: true });
  assert.deepEqual([page.results.length, page.pending, page.results[0].doc.n], [4, 6, 0]);
  assert.equal((await changes({ since: page.lastSeq })).results.length, 6);
  const resumed = { db, feed: 'eventsource', lastEventId: page.lastSeq, timeout: 1 };
  const later = await text((await service.postChangesAsStream(resumed)).result);
  assert.equal(later.split('\n').filter((line) => line.startsWith('data: {"seq"')).length, 6);
  assert.equal((await changes({ descending: true })).results[0].id, 'doc-9');
  const sparse = await changes({ seqInterval: 5 });
  assert.equal(sparse.results.filter(({ seq }) => seq !== null).length, 2);
  const chosen = await changes({ docIds: ['doc-3', 'doc-5'], filter: '_doc_ids' });
  assert.deepEqual(chosen.results.map(({ id }) => id), ['doc-3', 'doc-5']);
  await service.putDesignDocument({ db, ddoc: 'garden', designDocument: {} });
  const designs = await changes({ filter: '_design' });
  assert.deepEqual(designs.results.map(({ id }) => id), ['_design/garden']);
  const { lastSeq: since } = await changes();
  const quiet = await changes({ feed: 'longpoll', since, timeout: 1 });
  assert.deepEqual(quiet.results, []);

  const options = { db, since: 0, feed: 'continuous', timeout: 1, attachments: true };
  const lines = (await text((await service.postChangesAsStream(options)).result)).trim().split('\n');
  assert.equal(lines.length, 12);
  assert.equal(typeof JSON.parse(lines[11]).last_seq, 'string');
  const source = { db, since: 0, feed: 'eventsource', timeout: 1, heartbeat: 1_000 };
  // A feed with heartbeats has no end of its own.
  const { result: events } = await service.postChangesAsStream(source);
  let heard = '';
  for await (const piece of events) {
    heard += piece;
    if (heard.includes('_design/garden') && heard.endsWith('\n\n')) break;
  }
  assert.equal(heard.split('\n').filter((line) => line.startsWith('data: {"seq"')).length, 11);
});

test('a follower reads to the end, or follows from now', async () => {
  const db = await filled(250);
  const all = await collected(new ChangesFollower(service, { db }).startOneOff());
  assert.equal(new Set(all.map(({ id }) => id)).size, 250);
  const documents = new ChangesFollower(service, { db, includeDocs: true, limit: 30 });
  const some = await collected(documents.startOneOff());
  assert.deepEqual([some.length, some[29].doc.n], [30, 29]);

  const narrow = { db, filter: '_selector', selector: { n: { $lt: 3 } }, fields: ['n'] };
  const narrowed = await collected(new ChangesFollower(service, narrow).startOneOff());
  assert.deepEqual(narrowed.map(({ id }) => id), ['doc-0', 'doc-1', 'doc-2']);

  const { lastSeq: since } = (await service.postChanges({ db })).result;
  const follower = new ChangesFollower(service, { db, since, includeDocs: true });
  const stream = follower.start();
  const heard = [];
  const done = (async () => {
    for await (const item of stream) {
      heard.push(item.doc.n);
      if (heard.length !== 5) continue;
      follower.stop();
      // The follower still waits for the answer under way, which this one brings.
      await service.postDocument({ db, document: {} });
    }
  })();
  for (let n = 0; n < 5; n += 1) await service.postDocument({ db, document: { n: `later-${n}` } });
  await done;
  assert.deepEqual(heard.slice(0, 5), ['later-0', 'later-1', 'later-2', 'later-3', 'later-4']);

  const absent = new ChangesFollower(service, { db: freshName('absent') }).startOneOff();
  assert.equal((await failure(() => collected(absent))).status, 404);
});

test('listings are paged by rows, by pages and at once', async () => {
  const db = await filled(65);
  const options = { db, limit: 20, includeDocs: true };
  const paging = () => Pagination.newPagination(service, PagerType.POST_ALL_DOCS, options);
  const pages = await collected(paging().pages());
  assert.deepEqual(pages.map(({ length }) => length), [20, 20, 20, 5]);
  const rows = await collected(paging().rows());
  assert.equal(new Set(rows.map(({ id }) => id)).size, 65);
  assert.equal((await paging().pager().getAll()).length, 65);
  assert.equal((await collected(paging().rowStream())).length, 65);
  for (const ddoc of ['a', 'b', 'c']) {
    await service.putDesignDocument({ db, ddoc, designDocument: {} });
  }
  const designs = Pagination.newPagination(service, PagerType.POST_DESIGN_DOCS, { db, limit: 2 });
  const { length } = await collected(designs.rows());
  assert.equal(length, 3);
});

test('what happens to databases is told', async () => {
  const updates = async (options) => (await service.getDbUpdates(options)).result;
  const { lastSeq: since } = await updates({ since: 'now' });
  const db = await filled(1);
  const { results } = await updates({ since, feed: 'longpoll', timeout: 10_000, heartbeat: 5_000 });
  assert.ok(results.some(({ dbName }) => dbName === db));
  const { length } = (await updates({ since: '0', limit: 1 })).results;
  assert.equal(length, 1);
});

test('replications are asked for by documents and shown by the scheduler', async () => {
  const [source, target] = [await filled(9), await filled(0)];
  const side = (db) => ({ url: `${address().origin}/${db}`, auth: { basic: address() } });
  const replicationDocument = { source: side(source), target: side(target) };
  const posted = (await service.postReplicator({ replicationDocument })).result;
  const finished = await eventually(async () => {
    const { result } = await service.getReplicationDocument({ docId: posted.id });
    return result._replication_state === 'completed' && result;
  });
  assert.ok(!JSON.stringify((await service.getSchedulerDocs()).result).includes(address().password));
  const head = await service.headReplicationDocument({ docId: posted.id });
  assert.equal(head.headers.etag, `"${finished._rev}"`);
  const { docCount } = (await service.getDatabaseInformation({ db: target })).result;
  assert.equal(docCount, 9);

  const live = freshName('live');
  await service.putReplicationDocument({
    docId: live, replicationDocument: { ...replicationDocument, continuous: true },
  });
  const scheduled = await eventually(async () => {
    const { result } = await service.getSchedulerDocs({ states: ['running'] });
    return result.docs.find(({ docId }) => docId === live);
  });
  assert.equal((await service.headSchedulerDocument({ docId: live })).status, 200);
  const shown = (await service.getSchedulerDocument({ docId: live })).result;
  assert.deepEqual([shown.docId, shown.database, shown.id], [live, '_replicator', scheduled.id]);
  const { jobs } = (await service.getSchedulerJobs({ limit: 50 })).result;
  const job = jobs.find(({ docId }) => docId === live);
  assert.equal((await service.headSchedulerJob({ jobId: job.id })).status, 200);
  assert.equal((await service.getSchedulerJob({ jobId: job.id })).result.docId, live);
  const { _rev: rev } = (await service.getReplicationDocument({ docId: live })).result;
  await service.deleteReplicationDocument({ docId: live, rev });
  await eventually(() => service.getSchedulerJob({ jobId: job.id }).then(() => false, () => true));
});
