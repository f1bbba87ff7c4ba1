// Follows a database with PouchDB until a marker document turns up, then tells what it saw.
//
//   node follow.mjs URL MARKER
//
// prints `following N` once the past is read and the live feed is open, and at the end one line of
// JSON: {"past": N, "live": N, "winners": {id: rev}, "deleted": {id: rev}}.

import PouchDB from 'pouchdb-core';
import http from 'pouchdb-adapter-http';

PouchDB.plugin(http);

const [url, marker] = process.argv.slice(2);
const db = new PouchDB(url, { skip_setup: true });
const options = { include_docs: true, return_docs: false, batch_size: 1_000 };

const winners = new Map();
const deleted = new Map();
const counts = { past: 0, live: 0 };

function note(phase, { id, deleted: gone, doc }) {
  counts[phase] += 1;
  const [into, outOf] = gone ? [deleted, winners] : [winners, deleted];
  into.set(id, doc._rev);
  outOf.delete(id);
}

const past = db.changes({ ...options, since: 0 });
past.on('change', (change) => note('past', change));
const { last_seq: since } = await past;

const live = db.changes({ ...options, since, live: true });
live.on('change', (change) => {
  note('live', change);
  if (change.id === marker) live.cancel();
});
console.log(`following ${counts.past}`);
await live;

console.log(JSON.stringify({
  ...counts,
  winners: Object.fromEntries(winners),
  deleted: Object.fromEntries(deleted),
}));
