// nano 11: the server itself, log-in, feeds, replication and settings.

import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import nano from 'nano';
import { address, event, eventually, failure, freshName, hubs, test } from './hubs.mjs';

const server = nano(hubs[0]);

async function filled(count) {
  const name = freshName('nano');
  await server.db.create(name);
  const db = server.use(name);
  await db.bulk({ docs: Array.from({ length: count }, (_, n) => ({ _id: `doc-${n}`, n })) });
  return db;
}

const lines = async (stream) =>
  (await text(stream)).split('\n').filter(Boolean).map((line) => JSON.parse(line));

test('the server introduces itself and hands out ids', async () => {
  const info = await server.info();
  assert.equal(info.couchdb, 'Welcome');
  assert.match(info.version, /^3\./);
  assert.equal(typeof info.vendor.name, 'string');
  assert.equal((await server.uuids()).uuids.length, 1);
  const { uuids } = await server.uuids(50);
  assert.equal(new Set(uuids).size, 50);
  assert.ok(uuids.every((uuid) => /^[0-9a-f]{32}$/.test(uuid)));
});

test('log-in by form gives a cookie that is enough from then on', async () => {
  const { origin, username, password } = address();
  const visitor = nano({ url: origin });
  assert.equal((await visitor.session()).userCtx.name, null);
  const refused = await failure(() => visitor.db.list());
  assert.deepEqual([refused.statusCode, refused.error], [401, 'unauthorized']);

  const login = await visitor.auth(username, password);
  assert.deepEqual([login.ok, login.name, login.roles], [true, username, ['_admin']]);
  const session = await visitor.session();
  assert.deepEqual([session.ok, session.userCtx.name], [true, username]);
  assert.equal(session.info.authenticated, 'cookie');
  const name = freshName('nano');
  await visitor.db.create(name);
  const db = visitor.use(name);
  await db.insert({ n: 1 }, 'a');
  assert.equal((await db.get('a')).n, 1);

  const stranger = nano({ url: origin });
  const wrong = await failure(() => stranger.auth(username, 'wrong'));
  assert.deepEqual(
    [wrong.statusCode, wrong.error, wrong.reason],
    [401, 'unauthorized', 'Name or password is incorrect.'],
  );
});

test('Basic authentication is what the URL says', async () => {
  const session = await server.session();
  assert.equal(session.info.authenticated, 'default');
  assert.equal(session.userCtx.name, address().username);
});

test('the changes of a database, once', async () => {
  const db = await filled(10);
  const all = await db.changes();
  assert.equal(all.results.length, 10);
  assert.equal(all.last_seq, all.results.at(-1).seq);
  assert.deepEqual([all.pending, all.results[0].changes.length], [0, 1]);
  assert.deepEqual(await server.db.changes(db.config.db), all);
  assert.deepEqual(JSON.parse(await text(db.changesAsStream())), all);

  const page = await db.changes({ limit: 4, include_docs: true });
  assert.deepEqual([page.results.length, page.pending, page.results[3].doc.n], [4, 6, 3]);
  const rest = await db.changes({ since: page.last_seq });
  assert.equal(rest.results.length, 6);
  assert.deepEqual((await db.changes({ since: 'now' })).results, []);
  const none = await db.changes({ limit: 0 });
  // CouchDB counts a limit of 0 as 1.
  assert.ok(none.results.length <= 1);
  const few = await db.changes({ seq_interval: 4 });
  assert.equal(few.results.filter(({ seq }) => seq !== null).length, 3);
  const bogus = await failure(() => db.changes({ since: 'bogus' }));
  assert.deepEqual([bogus.statusCode, bogus.error], [400, 'bad_request']);
});

test('long polling, continuous and event source feeds end when told to', async () => {
  const db = await filled(3);
  const polled = await db.changes({ feed: 'longpoll', since: 0 });
  assert.equal(polled.results.length, 3);
  const quiet = await db.changes({ feed: 'longpoll', since: polled.last_seq, timeout: 1 });
  assert.deepEqual([quiet.results, quiet.last_seq], [[], polled.last_seq]);

  const heard = db.changes({ feed: 'longpoll', since: polled.last_seq, heartbeat: 1_000 });
  await db.insert({}, 'later');
  assert.deepEqual((await heard).results.map(({ id }) => id), ['later']);

  const continuous = { feed: 'continuous', since: 0, timeout: 1, include_docs: true };
  const rows = await lines(db.changesAsStream(continuous));
  assert.equal(rows.length, 5);
  assert.deepEqual([rows[0].doc.n, rows.at(-1).pending], [0, 0]);
  assert.equal(rows.at(-1).last_seq, rows.at(-2).seq);
  const limited = await lines(db.changesAsStream({ ...continuous, limit: 2 }));
  assert.deepEqual(limited.map(({ id }) => id), ['doc-0', 'doc-1', undefined]);
  assert.equal(limited[2].last_seq, limited[1].seq);

  const events = await text(db.changesAsStream({ feed: 'eventsource', since: 0, timeout: 1 }));
  const data = events.split('\n').filter((line) => line.startsWith('data: '));
  assert.deepEqual(
    data.slice(0, 4).map((line) => JSON.parse(line.slice(6)).id),
    ['doc-0', 'doc-1', 'doc-2', 'later'],
  );
  assert.match(events, /\nid: .+\n/);
});

test('a changes reader follows, fetches and spools', async () => {
  const db = await filled(25);
  const got = [];
  const fetched = db.changesReader.get({ since: '0', batchSize: 10, timeout: 1 });
  fetched.on('batch', (batch) => got.push(batch.length));
  await event(fetched, 'end');
  assert.deepEqual(got, [10, 10, 5]);

  const { last_seq: since } = await db.changes();
  const followed = db.changesReader.start({ since, includeDocs: true });
  const heard = event(followed, 'change', ({ id }) => id === 'later');
  await db.insert({ n: 'later' }, 'later');
  assert.equal((await heard).doc.n, 'later');
  // Stopping ends the request that waits, which nano reports as an error.
  followed.removeAllListeners('error').on('error', () => {});
  const ended = new Promise((resolve) => { followed.on('end', resolve); });
  db.changesReader.stop();
  await ended;

  const chosen = [];
  const selector = { n: { $gte: 20, $lt: 100 } };
  const narrowed = db.changesReader.get({ since: '0', selector, timeout: 1 });
  narrowed.on('change', ({ id }) => chosen.push(id));
  await event(narrowed, 'end');
  assert.deepEqual(chosen, [20, 21, 22, 23, 24].map((n) => `doc-${n}`));

  const spooled = [];
  const spool = db.changesReader.spool({ since: '0', batchSize: 7, includeDocs: true });
  spool.on('batch', (batch) => spooled.push(...batch));
  const last = await event(spool, 'end');
  assert.equal(spooled.length, 26);
  assert.equal(spooled[0].doc.n, 0);
  assert.match(last, /^\d+-/);
});

test('what happens to databases is told', async () => {
  const { last_seq: since } = await server.updates({ since: 'now' });
  const db = await filled(1);
  const told = await server.updates({ since, feed: 'longpoll' });
  assert.ok(told.results.some(({ db_name: name }) => name === db.config.db));
  assert.ok(told.results.every(({ type }) => ['created', 'updated', 'deleted'].includes(type)));
  await server.db.destroy(db.config.db);
  const { results } = await server.db.updates({ since });
  const last = results.filter(({ db_name: name }) => name === db.config.db).at(-1);
  assert.equal(last.type, 'deleted');
});

test('a database replicates into another', async () => {
  const db = await filled(12);
  const target = freshName('nano');
  const done = await db.replicate(target, { create_target: true });
  assert.deepEqual([done.ok, done.history[0].docs_written], [true, 12]);
  assert.equal((await server.db.get(target)).doc_count, 12);
  assert.deepEqual(await server.use(target).get('doc-7'), await db.get('doc-7'));
  const again = await server.db.replicate(db.config.db, target, { doc_ids: ['doc-1'] });
  assert.equal(again.ok, true);
  const absent = await failure(() => db.replicate(freshName('nano')));
  assert.deepEqual([absent.statusCode, absent.error], [404, 'db_not_found']);
});

test('a replication is asked for by a document, followed, and ended', async () => {
  const db = await filled(12);
  const target = freshName('nano');
  const once = await db.replication.enable(target, { create_target: true });
  const state = async (id) => (await db.replication.query(id))._replication_state;
  await eventually(async () => await state(once.id) === 'completed');
  assert.equal((await server.db.get(target)).doc_count, 12);
  const done = await db.replication.query(once.id);
  assert.equal(done._replication_stats.docs_written, 12);
  assert.equal((await db.replication.disable(once.id, done._rev)).ok, true);

  const live = await server.db.replication.enable(db.config.db, target, { continuous: true });
  await db.insert({ n: 'later' }, 'later');
  await eventually(() => server.use(target).get('later').catch(() => null));
  const on = (path) => server.request({ path });
  const doc = await on(`_scheduler/docs/_replicator/${live.id}`);
  assert.deepEqual([doc.doc_id, doc.state], [live.id, 'running']);
  const { jobs } = await on('_scheduler/jobs');
  assert.ok(jobs.some(({ doc_id: id }) => id === live.id));
  const tasks = await on('_active_tasks');
  assert.ok(tasks.some(({ type, doc_id: id }) => type === 'replication' && id === live.id));
  const { _rev } = await server.db.replication.query(live.id);
  await server.db.replication.disable(live.id, _rev);
  await eventually(async () => (await on('_scheduler/jobs')).jobs.every(({ doc_id: id }) => id !== live.id));
});

test('the node: settings, members, tasks', async () => {
  const ask = (method, path, body) => server.request({ method, path, body });
  assert.deepEqual(await ask('get', '_up'), { status: 'ok', seeds: {} });
  const members = await ask('get', '_membership');
  assert.deepEqual(members.all_nodes, members.cluster_nodes);
  assert.ok(Array.isArray(await ask('get', '_active_tasks')));
  const setting = '_node/nonode@nohost/_config/larder_test/colour';
  assert.equal(await ask('put', setting, 'green'), '');
  assert.equal(await ask('put', setting, 'blue'), 'green');
  assert.equal(await ask('get', setting), 'blue');
  assert.deepEqual(await ask('get', '_node/_local/_config/larder_test'), { colour: 'blue' });
  assert.equal((await ask('get', '_node/_local/_config')).larder_test.colour, 'blue');
  assert.equal(await ask('delete', setting), 'blue');
  const gone = await failure(() => ask('get', setting));
  assert.deepEqual([gone.statusCode, gone.reason], [404, 'unknown_config_value']);
});
