// What PouchDB's suites share: PouchDB with its HTTP and memory adapters, and what they do with it.

import PouchDB from 'pouchdb-core';
import http from 'pouchdb-adapter-http';
import memoryAdapter from 'pouchdb-adapter-memory';
import replication from 'pouchdb-replication';
import { event, hubs } from './hubs.mjs';

PouchDB.plugin(http).plugin(memoryAdapter).plugin(replication);
// Every live feed adds a listener to the one `PouchDB` emitter; a suite opens many.
PouchDB.setMaxListeners(0);

export { PouchDB };
export * from './hubs.mjs';

let databases = 0;

/** A database of its own on a hub. PouchDB creates it with the first request. */
export function remote(hub = hubs[0]) {
  databases += 1;
  return new PouchDB(`${hub}pouch-${process.pid}-${databases}`);
}

/** A database in this process. */
export function memory() {
  databases += 1;
  return new PouchDB(`memory-${databases}`, { adapter: 'memory' });
}

/** Resolves when a live replication or feed has wound down after `cancel()`. */
export async function cancelled(emitter) {
  const complete = event(emitter, 'complete');
  emitter.cancel();
  await complete;
}

/** Resolves with the first change that matches, past ones included. */
export async function seen(db, matches) {
  const feed = db.changes({ live: true, since: 0 });
  const change = await event(feed, 'change', matches);
  await cancelled(feed);
  return change;
}

/** Every document's leaves: id → sorted revisions, deleted ones included. */
export async function leaves(db) {
  const { results } = await db.changes({ style: 'all_docs', return_docs: true });
  return Object.fromEntries(
    results
      .map(({ id, changes }) => [id, changes.map(({ rev }) => rev).sort()])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/**
 * Every document that is not deleted: id → winning revision.
 *
 * PouchDB's memory adapter lists no ids that sort after U+FFFF's UTF-8 neighbours, such as '日本'.
 */
export async function winners(db) {
  const { rows } = await db.allDocs();
  return Object.fromEntries(rows.map(({ id, value }) => [id, value.rev]));
}
