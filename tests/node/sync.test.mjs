// The package people install, pouchdb 9 with its database on disk, in sync with a hub.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import PouchDB from 'pouchdb';
import { address, cancelled, event, failure, freshName, hubs, leaves, seen, test, winners } from './support.mjs';

const folder = mkdtempSync(join(tmpdir(), 'larder-pouchdb-'));
const onDisk = () => new PouchDB(join(folder, freshName('disk')));
const onHub = () => new PouchDB(`${hubs[0]}${freshName('pouchdb')}`);
PouchDB.setMaxListeners(0);
after(() => rmSync(folder, { recursive: true }));

/** Contents of every kind: empty, small, larger than a page; of text, of chance. */
const attachments = {
  'empty.txt': ['text/plain', Buffer.alloc(0)],
  'small.txt': ['text/plain', Buffer.from('a few words')],
  'large.txt': ['text/plain', Buffer.from('compressible, '.repeat(60_000))],
  'large.json': ['application/json', Buffer.from(JSON.stringify(Array(20_000).fill({ n: 1 })))],
  'small.bin': ['application/octet-stream', randomBytes(100)],
  'large.png': ['image/png', randomBytes(700_000)],
};

function inline() {
  const entries = Object.entries(attachments);
  return Object.fromEntries(
    entries.map(([name, [type, data]]) => [name, { content_type: type, data }]),
  );
}

async function assertAttachments(db, id) {
  const { _attachments: stubs } = await db.get(id);
  assert.deepEqual(Object.keys(stubs).sort(), Object.keys(attachments).sort());
  for (const [name, [type, data]] of Object.entries(attachments)) {
    assert.deepEqual([stubs[name].content_type, stubs[name].length], [type, data.length], name);
    assert.equal(Buffer.compare(await db.getAttachment(id, name), data), 0, name);
  }
}

/**
 * Every leaf with its history, which two databases in sync share. PouchDB counts an attachment it
 * pulled as new, and digests what CouchDB would compress first, so neither is compared.
 */
async function bodies(db) {
  const leaf = async (id, rev) => {
    const { _attachments: stubs = {}, ...doc } = await db.get(id, { rev, revs: true });
    const files = Object.entries(stubs).map(([name, { content_type: type, length }]) => [name, type, length]);
    return { doc, files: files.sort() };
  };
  const found = {};
  for (const [id, revs] of Object.entries(await leaves(db))) {
    found[id] = await Promise.all(revs.map((rev) => leaf(id, rev)));
  }
  return found;
}

async function assertSame(a, b) {
  assert.deepEqual(await leaves(a), await leaves(b));
  assert.deepEqual(await winners(a), await winners(b));
  assert.deepEqual(await bodies(a), await bodies(b));
}

/** Documents of which each side knows half, all with attachments, some gone again. */
async function half(db, name) {
  const docs = Array.from({ length: 60 }, (_, n) => ({ _id: `${name}-${n}`, n, from: name }));
  const written = await db.bulkDocs(docs);
  await db.put({ _id: `${name}-files`, _attachments: inline() });
  await db.bulkDocs(written.slice(0, 9).map(({ id, rev }) => ({ _id: id, _rev: rev, _deleted: true })));
  await db.put({ ...docs[10], _rev: written[10].rev, edited: true });
}

test('both directions, with attachments, deletions and the same leaves', async () => {
  const [disk, hub] = [onDisk(), onHub()];
  await half(disk, 'disk');
  await half(hub, 'hub');
  const { push, pull } = await disk.sync(hub);
  assert.deepEqual([push.ok, push.docs_written, push.doc_write_failures], [true, 61, 0]);
  assert.deepEqual([pull.ok, pull.docs_written, pull.doc_write_failures], [true, 61, 0]);
  await assertSame(disk, hub);
  for (const db of [disk, hub]) {
    await assertAttachments(db, 'disk-files');
    await assertAttachments(db, 'hub-files');
  }

  // An attachment more, one replaced and one fewer: the others travel as stubs.
  const doc = await hub.get('disk-files');
  delete doc._attachments['small.txt'];
  doc._attachments['small.bin'] = { content_type: 'text/plain', data: btoa('other') };
  doc._attachments['one more'] = { content_type: 'text/plain', data: btoa('more') };
  await hub.put(doc);
  await disk.sync(hub);
  const names = Object.keys((await disk.get('disk-files'))._attachments).sort();
  const expected = Object.keys(attachments).filter((name) => name !== 'small.txt');
  assert.deepEqual(names, [...expected, 'one more'].sort());
  assert.equal(String(await disk.getAttachment('disk-files', 'small.bin')), 'other');
  await assertSame(disk, hub);
  const idle = await disk.sync(hub);
  assert.deepEqual([idle.push.docs_read, idle.pull.docs_read], [0, 0]);
});

test('conflicts made on both sides are the same conflicts afterwards', async () => {
  const [disk, hub] = [onDisk(), onHub()];
  const ids = Array.from({ length: 12 }, (_, n) => `shared-${n}`);
  await disk.bulkDocs(ids.map((_id) => ({ _id, by: 'both' })));
  await disk.sync(hub);
  for (const [n, id] of ids.entries()) {
    const base = await disk.get(id);
    // One to three edits on either side; some of them deletions, with attachments on others.
    for (const [db, edits] of [[disk, 1 + (n % 3)], [hub, 1 + ((n + 1) % 3)]]) {
      let { _rev } = base;
      for (let edit = 0; edit < edits; edit += 1) {
        const last = edit === edits - 1;
        const more = { _deleted: last && n % 4 === (db === disk ? 0 : 1) };
        if (!more._deleted && n % 5 === 0) more._attachments = inline();
        ({ rev: _rev } = await db.put({ _id: id, _rev, by: db.name, edit, ...more }));
      }
    }
  }
  await disk.sync(hub);
  await assertSame(disk, hub);
  const shown = (db, id) => db.get(id, { conflicts: true }).then(
    ({ _rev, _conflicts }) => [_rev, _conflicts],
    ({ reason }) => reason,
  );
  for (const id of ids) assert.deepEqual(await shown(disk, id), await shown(hub, id));
  const revs = Object.values(await leaves(hub));
  assert.equal(revs.filter(({ length }) => length === 2).length, ids.length);

  // Resolving them, half on each side, leaves one leaf that is not deleted, or none.
  for (const [n, id] of ids.entries()) {
    const db = n % 2 === 0 ? disk : hub;
    const { _conflicts: losers = [] } = await db.get(id, { conflicts: true }).catch(() => ({}));
    for (const rev of losers) await db.remove(id, rev);
  }
  await disk.sync(hub);
  await assertSame(disk, hub);
  const { rows } = await hub.allDocs({ include_docs: true, conflicts: true });
  assert.ok(rows.every(({ doc }) => doc._conflicts === undefined));
});

test('live in both directions, through three databases', async () => {
  const [one, hub, two] = [onDisk(), onHub(), onDisk()];
  const live = { live: true, retry: true, heartbeat: 5_000 };
  const syncs = [one.sync(hub, live), two.sync(hub, live)];
  await one.put({ _id: 'from-one', _attachments: inline() });
  await seen(two, ({ id }) => id === 'from-one');
  await assertAttachments(two, 'from-one');

  const { rev } = await two.put({ _id: 'from-two', n: 1 });
  await seen(one, ({ id }) => id === 'from-two');
  await one.remove('from-two', rev);
  await seen(two, ({ id, deleted }) => id === 'from-two' && deleted === true);
  await hub.put({ _id: 'from-hub', n: 1 });
  await Promise.all([one, two].map((db) => seen(db, ({ id }) => id === 'from-hub')));
  await Promise.all(syncs.map(cancelled));
  await Promise.all([one.sync(hub), two.sync(hub)]);
  await assertSame(one, hub);
  await assertSame(two, hub);
});

test('chosen documents only, by id', async () => {
  const [disk, hub] = [onDisk(), onHub()];
  await half(hub, 'hub');
  await disk.replicate.from(hub, { doc_ids: ['hub-20', 'hub-files', 'nowhere'] });
  assert.deepEqual(Object.keys(await winners(disk)), ['hub-20', 'hub-files']);
  await assertAttachments(disk, 'hub-files');
});

test('chosen documents only, by a selector', async () => {
  const [disk, hub] = [onDisk(), onHub()];
  await half(hub, 'hub');
  const selector = { from: 'hub', n: { $gt: 55 } };
  await disk.replicate.from(hub, { selector });
  const ids = [56, 57, 58, 59].map((n) => `hub-${n}`);
  assert.deepEqual(Object.keys(await winners(disk)), ids);
  const found = await hub.changes({ filter: '_selector', selector });
  assert.deepEqual(found.results.map(({ id }) => id), ids);
});

test('by cookie, by Basic, and not at all', async () => {
  const { origin, username, password } = address();
  const name = freshName('pouchdb');
  const login = await PouchDB.fetch(`${origin}/_session`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `name=${username}&password=${password}`,
  });
  assert.equal(login.status, 200);
  // PouchDB keeps cookies as a browser does; this one is for requests without.
  const withoutCookies = (url, { headers, ...options }) =>
    fetch(url, { ...options, headers: Object.fromEntries(headers) });
  const byCookie = new PouchDB(`${origin}/${name}`);
  const byBasic = (auth) => new PouchDB(`${origin}/${name}`, { auth, fetch: withoutCookies });
  const byOption = byBasic({ username, password });
  const disk = onDisk();
  await disk.put({ _id: 'a', _attachments: inline() });
  await disk.replicate.to(byCookie);
  await byOption.put({ _id: 'b' });
  await assertSame(byCookie, byOption);
  await disk.sync(byCookie);
  await assertSame(disk, byOption);
  await assertAttachments(byCookie, 'a');

  const { status } = await fetch(`${origin}/${name}`);
  assert.equal(status, 401);
  const wrong = byBasic({ username, password: 'wrong' });
  assert.equal((await failure(() => wrong.get('a'))).status, 401);
  const refused = await failure(() => disk.replicate.to(wrong));
  assert.equal(refused.status, 401);
});

test('a live feed goes on over a change of everything', async () => {
  const hub = onHub();
  const feed = hub.changes({ live: true, since: 0, include_docs: true, attachments: true });
  const heard = event(feed, 'change', ({ id }) => id === 'files');
  await half(hub, 'hub');
  await hub.put({ _id: 'files', _attachments: inline() });
  const { doc } = await heard;
  const text = doc._attachments['small.txt'].data;
  assert.equal(atob(text), 'a few words');
  await cancelled(feed);
  await hub.destroy();
  assert.equal((await failure(() => new PouchDB(hub.name, { skip_setup: true }).get('a'))).status, 404);
});
