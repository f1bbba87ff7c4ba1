// pouchdb-server (express-pouchdb, in memory) and a hub replicate with one another, each asked to.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import express from 'express';
import expressPouchDB from 'express-pouchdb';
import PouchDB from 'pouchdb';
import memory from 'pouchdb-adapter-memory';
import { address, eventually, freshName, hubs, test } from './hubs.mjs';

/** A server as `pouchdb-server --in-memory` starts one; its URL. */
async function serve() {
  const folder = await mkdtemp(join(tmpdir(), 'pouchdb-server-'));
  // Preferred, not demanded: URLs are still what they are.
  PouchDB.plugin(memory).preferredAdapters.unshift('memory');
  const options = { inMemoryConfig: true, logPath: join(folder, 'log.txt') };
  const server = express().use(expressPouchDB(PouchDB, options)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
    // Feeds of continuous replications would keep the process.
    setTimeout(() => process.exit(), 1_000).unref();
  });
  return `http://127.0.0.1:${server.address().port}/`;
}

const hub = hubs[0];
const pouch = await serve();

/** A request to one of the two; what it answers, as JSON. */
async function told(server, method, path, body) {
  const { origin, username, password } = address(server);
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  if (username) headers.authorization = `Basic ${btoa(`${username}:${password}`)}`;
  const response = await fetch(`${origin}/${path}`, { method, headers, body: JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** How `asked` names a database that lies on `server`. */
const name = (asked, server, database) => (asked === server ? database : `${server}${database}`);

/** Replicates a database of the same name on both servers; one of them is asked to. */
function replicate(asked, from, to, database, options = {}) {
  return told(asked, 'POST', '_replicate', {
    source: name(asked, from, database), target: name(asked, to, database), ...options,
  });
}

/** All leaves with their histories and attachments, and which of them wins. */
async function contents(server, database) {
  const { results } = await told(server, 'GET', `${database}/_changes?style=all_docs`);
  const found = results.flatMap(({ id, changes }) => changes.map(async ({ rev }) => {
    const doc = await told(
      server, 'GET', `${database}/${encodeURIComponent(id)}?rev=${rev}&revs=true&attachments=true`,
    );
    for (const attachment of Object.values(doc._attachments ?? {})) {
      // Of the bytes as they are stored: a hub stores text compressed, as CouchDB does.
      delete attachment.digest;
    }
    return [`${id} ${rev}`, doc];
  }));
  const { rows } = await told(server, 'GET', `${database}/_all_docs`);
  return {
    leaves: Object.fromEntries((await Promise.all(found)).sort(([a], [b]) => (a < b ? -1 : 1))),
    winners: Object.fromEntries(rows.map(({ id, value }) => [id, value.rev])),
  };
}

async function assertSame(database) {
  const [there, here] = await Promise.all([pouch, hub].map((server) => contents(server, database)));
  assert.deepEqual(here, there);
  return here;
}

const base64 = (length, byte) => Buffer.alloc(length, byte).toString('base64');

/** An empty database on both servers. */
async function empty() {
  const database = freshName('pouchdb-server');
  await Promise.all([pouch, hub].map((server) => told(server, 'PUT', database)));
  return database;
}

/** Documents of every kind, written on one of them. */
async function fill(server, database) {
  const docs = Array.from({ length: 250 }, (_, n) => ({ _id: `doc-${n}`, n, text: 'é\u0000"' }));
  const written = await told(server, 'POST', `${database}/_bulk_docs`, { docs });
  await told(server, 'DELETE', `${database}/doc-7?rev=${written[7].rev}`);
  await told(server, 'PUT', `${database}/doc-8`, { _rev: written[8].rev, n: 'again' });
  const branch = (rev, by) => ({ _id: 'torn', _rev: rev, by });
  await told(server, 'POST', `${database}/_bulk_docs`, {
    new_edits: false, docs: [branch('1-a', 'one'), branch('1-b', 'two'), branch('1-c', 'three')],
  });
  await told(server, 'PUT', `${database}/_design/d`, { language: 'javascript', views: {} });
  await told(server, 'PUT', `${database}/with`, {
    _attachments: {
      'text.txt': { content_type: 'text/plain', data: base64(5_000, 'a') },
      'a b/é.bin': { content_type: 'application/octet-stream', data: base64(300_000, 7) },
      empty: { content_type: 'image/png', data: '' },
    },
  });
}

for (const [asker, asked] of [['the hub', hub], ['pouchdb-server', pouch]]) {
  for (const [way, from, to] of [['to the hub', pouch, hub], ['to pouchdb-server', hub, pouch]]) {
    test(`everything goes ${way}, ${asker} being asked`, async () => {
      const database = await empty();
      await fill(from, database);
      const done = await replicate(asked, from, to, database);
      assert.equal(done.ok, true);
      const { leaves, winners } = await assertSame(database);
      assert.equal(Object.keys(leaves).length, 250 + 3 + 1 + 1);
      assert.equal(winners.torn, '1-c');
      assert.equal(leaves[`with ${winners.with}`]._attachments['a b/é.bin'].data, base64(300_000, 7));

      // A second one goes on where the first one ended.
      await told(from, 'PUT', `${database}/later`, {});
      const again = await replicate(asked, from, to, database);
      // pouchdb-server's history has the last one at its end.
      assert.equal(again.docs_written ?? again.history[0].docs_written, 1);
      await assertSame(database);
    });
  }

  test(`edits on both sides become one conflict, ${asker} being asked`, async () => {
    const database = await empty();
    const attachments = (byte) => ({ a: { content_type: 'image/png', data: base64(70_000, byte) } });
    const { rev } = await told(hub, 'PUT', `${database}/shared`, { _attachments: attachments(1) });
    await replicate(asked, hub, pouch, database);
    const stub = (await told(pouch, 'GET', `${database}/shared`))._attachments;
    await told(pouch, 'PUT', `${database}/shared`, { _rev: rev, by: 'pouch', _attachments: stub });
    await told(hub, 'PUT', `${database}/shared`, { _rev: rev, by: 'hub', _attachments: attachments(2) });
    await replicate(asked, hub, pouch, database);
    await replicate(asked, pouch, hub, database);
    const { leaves } = await assertSame(database);
    assert.equal(Object.keys(leaves).length, 2);
    const [mine, theirs] = await Promise.all(
      [hub, pouch].map((server) => told(server, 'GET', `${database}/shared?conflicts=true`)),
    );
    assert.deepEqual([mine._rev, mine._conflicts], [theirs._rev, theirs._conflicts]);
    assert.equal(mine._conflicts.length, 1);
    const data = Object.values(leaves).map((leaf) => [leaf.by, leaf._attachments.a.data]);
    assert.deepEqual(Object.fromEntries(data), { hub: base64(70_000, 2), pouch: base64(70_000, 1) });

    // Settled on one side, it is settled on the other.
    await told(pouch, 'DELETE', `${database}/shared?rev=${mine._conflicts[0]}`);
    await replicate(asked, pouch, hub, database);
    await assertSame(database);
    assert.equal((await told(hub, 'GET', `${database}/shared?conflicts=true`))._conflicts, undefined);
  });
}

test('the hub follows pouchdb-server and is followed, live', async () => {
  const database = await empty();
  const ways = [[pouch, hub], [hub, pouch]];
  for (const [from, to] of ways) await replicate(hub, from, to, database, { continuous: true });
  for (let n = 0; n < 20; n += 1) {
    await told([pouch, hub][n % 2], 'PUT', `${database}/live-${n}`, { n });
  }
  for (const server of [pouch, hub]) {
    await eventually(async () => (await told(server, 'GET', database)).doc_count === 20);
  }
  await assertSame(database);
  for (const [from, to] of ways) {
    await replicate(hub, from, to, database, { continuous: true, cancel: true });
  }
});
