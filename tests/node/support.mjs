// What the suites share: PouchDB with its HTTP and memory adapters, and the hubs' URLs.

import { test as nodeTest } from 'node:test';
import PouchDB from 'pouchdb-core';
import http from 'pouchdb-adapter-http';
import memoryAdapter from 'pouchdb-adapter-memory';
import replication from 'pouchdb-replication';

PouchDB.plugin(http).plugin(memoryAdapter).plugin(replication);
// Every live feed adds a listener to the one `PouchDB` emitter; a suite opens many.
PouchDB.setMaxListeners(0);

export { PouchDB };

/** The hubs under test: `http://owner:TOKEN@127.0.0.1:PORT/`, one or two of them. */
export const hubs = (process.env.LARDER_URLS ?? '').split(' ').filter(Boolean);

const TEST_LIMIT_MS = 60_000;

/** A test that ends by itself when something it waits for never comes. */
export function test(name, run) {
  nodeTest(name, { timeout: TEST_LIMIT_MS }, run);
}

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

/** The error that an action ends with; fails when it ends well. */
export async function failure(action) {
  let value;
  try {
    value = await action();
  } catch (error) {
    return error;
  }
  throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
}

/** Resolves with the event's argument. A replication's or feed's error rejects instead. */
export function event(emitter, name, matches = () => true) {
  return new Promise((resolve, reject) => {
    emitter.on('error', reject);
    emitter.on(name, (argument) => {
      if (matches(argument)) resolve(argument);
    });
  });
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
