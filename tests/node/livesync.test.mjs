// Obsidian Self-hosted LiveSync: what its set-up script asks, what its sync does, and what it finds.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { PouchDB, address, ask, cancelled, freshName, leaves, memory, seen, test, told } from './support.mjs';

/** The pages Obsidian runs as: on a desktop, on an iPhone, on Android. */
const ORIGINS = ['app://obsidian.md', 'capacitor://localhost', 'http://localhost'];

/** What the set-up script writes, in its order; the plug-in checks the same afterwards. */
const SETTINGS = [
  ['chttpd/require_valid_user', 'true'],
  ['chttpd_auth/require_valid_user', 'true'],
  ['httpd/WWW-Authenticate', 'Basic realm="couchdb"'],
  ['httpd/enable_cors', 'true'],
  ['chttpd/enable_cors', 'true'],
  ['chttpd/max_http_request_size', '4294967296'],
  ['couchdb/max_document_size', '50000000'],
  ['cors/credentials', 'true'],
  ['cors/origins', ORIGINS.join(',')],
];

const NODE = '/_node/nonode@nohost/_config';

const authorization = `Basic ${btoa(`${address().username}:${address().password}`)}`;

/** A request with exactly these headers, which `fetch` would not send. */
function bare(method, path, headers) {
  return new Promise((resolve, reject) => {
    const sent = request(`${address().origin}${path}`, { method, headers }, (answer) => {
      answer.resume().on('end', () => resolve({ status: answer.statusCode, headers: answer.headers }));
    });
    sent.on('error', reject).end();
  });
}

async function setUp() {
  const { username, password } = address();
  const body = {
    action: 'enable_single_node', username, password, bind_address: '0.0.0.0', port: 5984,
    singlenode: true,
  };
  const cluster = await ask('POST', '/_cluster_setup', { body });
  assert.equal(cluster.status, 201);
  for (const [setting, value] of SETTINGS) {
    const response = await ask('PUT', `${NODE}/${setting}`, { body: JSON.stringify(value) });
    assert.equal(response.status, 200, setting);
  }
}

/** A chunk of an encrypted note; its id says what it holds. */
function chunk(bytes = 900) {
  const id = `h:${randomBytes(8).toString('hex')}`;
  return { _id: id, data: `%=${randomBytes(bytes).toString('base64')}`, type: 'leaf', e_: true };
}

/** A note, and the chunks it is made of. */
function note(path, chunks) {
  return {
    _id: path, path: `/\\:${randomBytes(40).toString('base64')}`, children: chunks.map(({ _id }) => _id),
    ctime: 1_700_000_000_000, mtime: 1_700_000_000_001, size: 900 * chunks.length, type: 'plain',
    eden: {},
  };
}

/** A vault: notes with chunks of their own, as the plug-in writes them. */
async function fill(db, notes, each = 3) {
  for (let n = 0; n < notes; n += 1) {
    const chunks = Array.from({ length: each }, () => chunk());
    await db.bulkDocs(chunks.map((doc) => ({ ...doc, _rev: `1-${randomBytes(16).toString('hex')}` })), {
      new_edits: false,
    });
    await db.put(note(`f:${String(n).padStart(4, '0')}`, chunks));
  }
}

const remote = () => new PouchDB(`${address().origin}/${freshName('obsidian')}`, { auth: address() });

test('the set-up script runs, and the settings are there afterwards', async () => {
  await setUp();
  const settings = await told('GET', NODE);
  for (const [setting, value] of SETTINGS) {
    const [section, key] = setting.split('/');
    assert.equal(settings[section][key], value, setting);
  }
  const { version, couchdb } = await told('GET', '/');
  assert.deepEqual([couchdb, Number(version.split('.')[0])], ['Welcome', 3]);
  const { userCtx } = await told('GET', '/_session');
  assert.ok(userCtx.roles.includes('_admin'));
});

test('the pages that were named may ask, others may not', async () => {
  await setUp();
  const preflight = { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization,content-type' };
  for (const origin of ORIGINS) {
    const asked = await bare('OPTIONS', '/', { origin, ...preflight });
    assert.ok([200, 204].includes(asked.status), origin);
    const allowed = (name) => asked.headers[`access-control-allow-${name}`];
    assert.deepEqual([allowed('origin'), allowed('credentials')], [origin, 'true']);
    assert.match(allowed('methods'), /PUT/);
    assert.match(allowed('headers'), /authorization/i);
    const told = await bare('GET', '/', { origin, authorization });
    assert.deepEqual(
      [told.status, told.headers['access-control-allow-origin'],
        told.headers['access-control-allow-credentials']],
      [200, origin, 'true'],
    );
  }
  const stranger = await bare('GET', '/', { origin: 'https://example.org', authorization });
  assert.equal(stranger.headers['access-control-allow-origin'], undefined);
  assert.equal(stranger.status, 403);

  // The plug-in's own PouchDB runs in such a page.
  const { origin: hub } = address();
  const page = new PouchDB(`${hub}/${freshName('obsidian')}`, {
    auth: address(),
    fetch: (url, options) => {
      options.headers.set('origin', ORIGINS[0]);
      return PouchDB.fetch(url, options);
    },
  });
  await fill(page, 3);
  const vault = memory();
  await vault.sync(page);
  assert.deepEqual(await leaves(vault), await leaves(page));
});

test('a note as large as the settings allow goes in', async () => {
  await setUp();
  const hub = remote();
  // More than CouchDB takes when nobody says otherwise.
  const large = chunk(7_000_000);
  await hub.put(large);
  assert.equal((await hub.get(large._id)).data, large.data);
});

test('a vault, its milestone and its parameters', async () => {
  const [vault, hub] = [memory(), remote()];
  const milestone = '_local/obsydian_livesync_milestone';
  const parameters = '_local/obsidian_livesync_sync_parameters';
  for (const id of [milestone, parameters]) {
    const missing = await hub.get(id).catch((error) => error);
    assert.equal(missing.status, 404);
  }
  const salt = randomBytes(32).toString('base64');
  await hub.put({ _id: parameters, type: 'sync-parameters', protocolVersion: 2, pbkdf2salt: salt });
  await hub.put({ _id: milestone, type: 'milestoneinfo', locked: false, accepted_nodes: ['one'] });
  const seenThere = await hub.get(milestone);
  await hub.put({ ...seenThere, locked: true, accepted_nodes: ['one', 'two'] });
  assert.deepEqual((await hub.get(milestone)).accepted_nodes, ['one', 'two']);
  assert.equal((await hub.get(parameters)).pbkdf2salt, salt);

  const { update_seq: sequence } = await hub.info();
  assert.ok(Number.isSafeInteger(Number(sequence.split('-')[0])));
  await fill(vault, 20);
  await vault.replicate.to(hub, { batch_size: 50, batches_limit: 25 });
  assert.deepEqual(await leaves(hub), await leaves(vault));
  const grown = (await hub.info()).update_seq;
  assert.equal(Number(grown.split('-')[0]), 80);

  // Chunks are fetched by their ids when a note asks for them.
  const { children } = await hub.get('f:0007');
  const { rows } = await hub.allDocs({ keys: [...children, 'h:gone'], include_docs: true });
  assert.deepEqual(rows.slice(0, 3).map(({ doc }) => doc._id), children);
  assert.equal(rows[3].error, 'not_found');
  const only = await hub.allDocs({ startkey: 'h:', endkey: 'h:\uffff' });
  assert.equal(only.rows.length, 60);

  const before = await hub.allDocs({ include_docs: true });
  await hub.compact();
  assert.deepEqual(await hub.allDocs({ include_docs: true }), before);
});

test('chunks and notes are followed by a selector', async () => {
  const [vault, hub] = [memory(), remote()];
  await fill(hub, 4);
  const notes = { type: { $ne: 'leaf' } };
  await vault.replicate.from(hub, { selector: notes, batch_size: 50 });
  assert.deepEqual(Object.keys(await leaves(vault)), ['f:0000', 'f:0001', 'f:0002', 'f:0003']);
  // From now on, with heartbeats, until one comes.
  const { last_seq: since } = await hub.changes({ since: 'now' });
  const path = `/${hub.name.split('/').at(-1)}/_changes`;
  const query = `feed=longpoll&heartbeat=5000&style=all_docs&filter=_selector&since=${since}`;
  const heard = told('POST', `${path}?${query}`, { body: { selector: notes } });
  await hub.put(chunk());
  await hub.put(note('f:9999', []));
  assert.deepEqual((await heard).results.map(({ id }) => id), ['f:9999']);
});

test('two devices in live sync over one vault', async () => {
  const [desk, phone, hub] = [memory(), memory(), remote()];
  await fill(desk, 5);
  const options = { live: true, retry: true, heartbeat: 5_000, batch_size: 50, batches_limit: 25 };
  const syncs = [desk, phone].map((device) => device.sync(hub, options));
  await seen(phone, ({ id }) => id === 'f:0004');
  const first = await phone.get('f:0002');
  const more = chunk(40_000);
  await phone.put(more);
  await phone.put({ ...first, children: [...first.children, more._id], mtime: first.mtime + 1 });
  await seen(desk, ({ id, changes: [{ rev }] }) => id === 'f:0002' && rev.startsWith('2-'));
  assert.equal((await desk.get(more._id)).data, more.data);

  // A note that is removed is a note that says so, then a tombstone.
  const gone = await desk.get('f:0003');
  await desk.put({ ...gone, deleted: true, children: [] });
  await desk.remove(await desk.get('f:0003'));
  await seen(phone, ({ id, deleted }) => id === 'f:0003' && deleted === true);
  await Promise.all(syncs.map(cancelled));

  // Both change the same note unaware of each other: a conflict that both are shown.
  for (const device of [desk, phone]) {
    await device.put({ ...(await device.get('f:0001')), by: device.name });
  }
  await desk.sync(hub);
  await phone.sync(hub);
  await desk.sync(hub);
  const shown = await Promise.all([desk, phone].map((device) => device.get('f:0001', {
    conflicts: true, revs_info: true,
  })));
  assert.equal(shown[0]._conflicts.length, 1);
  assert.deepEqual(shown[0]._conflicts, shown[1]._conflicts);
  assert.equal(shown[0]._rev, shown[1]._rev);
  assert.deepEqual(await leaves(desk), await leaves(phone));
});

test('fast fetch: from now backwards, and pages of lines with exact ends', async () => {
  const hub = remote();
  const path = `/${encodeURIComponent(hub.name.split('/').at(-1))}/_changes`;
  await hub.info();
  await fill(hub, 30);
  const changes = async (query) => (await ask('GET', `${path}?${query}`)).text();
  const common = 'style=all_docs&conflicts=true&revs=true';
  const now = JSON.parse(await changes(`feed=normal&since=now&limit=1&include_docs=false&${common}`));
  assert.deepEqual(now.results, []);
  assert.ok(Number.isSafeInteger(now.pending) && typeof now.last_seq === 'string');
  const head = JSON.parse(await changes(`feed=normal&since=0&limit=1&include_docs=false&${common}`));
  assert.deepEqual([head.results.length, head.pending], [1, 119]);

  const found = new Map();
  let since = '0';
  for (let pages = 1; ; pages += 1) {
    const query = `feed=continuous&include_docs=true&limit=25&timeout=1&since=${since}&${common}`;
    const lines = (await changes(query)).split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const { last_seq: last, pending } = lines.pop();
    assert.ok(typeof last === 'string' && Number.isSafeInteger(pending));
    for (const { id, doc } of lines) {
      assert.equal(doc._id, id);
      assert.equal(doc._revisions, undefined);
      found.set(id, doc);
    }
    assert.equal(pending, 120 - found.size);
    if (lines.length > 0) assert.equal(last, lines.at(-1).seq);
    since = last;
    if (lines.length < 25) {
      assert.deepEqual([pages, lines.length], [5, 20]);
      break;
    }
  }
  assert.equal(found.size, 120);
  assert.equal(since, now.last_seq);
});

test('chunks and notes are found without an index', async () => {
  const vault = freshName('vault');
  await told('PUT', `/${vault}`);
  const chunks = Array.from({ length: 40 }, () => chunk(30));
  const docs = [...chunks, note('a.md', chunks.slice(0, 2)), note('z.md', chunks.slice(2))];
  await told('POST', `/${vault}/_bulk_docs`, { body: { docs } });
  const found = async (body) => {
    const { docs: answered } = await told('POST', `/${vault}/_find`, { body });
    return answered.map(({ _id }) => _id);
  };
  const ordered = chunks.map(({ _id }) => _id).sort();
  const limit = 1000;
  assert.deepEqual(await found({ selector: { type: 'leaf' }, limit }), ordered);
  assert.deepEqual(await found({ selector: { type: { $ne: 'leaf' } }, limit }), ['a.md', 'z.md']);
  assert.deepEqual(await found({ selector: { _id: { $gt: 'h:', $lt: 'i' } }, limit }), ordered);
  // By their letters, a semicolon comes before a colon.
  assert.deepEqual(await found({ selector: { _id: { $gt: 'h:', $lt: 'h;' } }, limit }), []);
  const [used] = chunks;
  const selector = { children: { $elemMatch: { $eq: used._id } } };
  assert.deepEqual(await found({ selector, fields: ['_id'] }), ['a.md']);
});
