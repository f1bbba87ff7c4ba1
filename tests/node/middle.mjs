// PouchDB without any hub of its own, for `tests/tests/mesh_pouch`: pouchdb-server (express-pouchdb, in memory)
// as it stands between hubs, and an app with databases of its own that it syncs with one hub.
//
// Its argument is a folder for logs. Prints where it listens. Everything else ends with the process.

import { once } from 'node:events';
import { join } from 'node:path';
import express from 'express';
import expressPouchDB from 'express-pouchdb';
import PouchDB from 'pouchdb';
import memory from 'pouchdb-adapter-memory';

// PouchDB leaves some requests to a hub that was killed to nobody.
process.on('unhandledRejection', (error) => { console.error(error.message); });
PouchDB.setMaxListeners(0);
// Preferred, not demanded: URLs are still what they are.
PouchDB.plugin(memory).preferredAdapters.unshift('memory');
const [,, folder] = process.argv;

/** Requests to pouchdb-server by the last part of their path, where that is the protocol's. */
const asked = {};
const COUNTED = ['_changes', '_revs_diff', '_bulk_docs', '_bulk_get', '_local'];

/** A server that shows the databases of one PouchDB; its URL. */
async function serve(databases, name, before) {
  const options = { inMemoryConfig: true, logPath: join(folder, `${name}.txt`) };
  const server = express().use(before).use(expressPouchDB(databases, options)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}/`;
}

function count(request, _response, next) {
  const word = COUNTED.find((part) => request.path.split('/')[2] === part);
  if (word && request.get('user-agent')?.startsWith('larder')) asked[word] = (asked[word] ?? 0) + 1;
  next();
}

const App = PouchDB.defaults({ prefix: 'app-' });
const syncs = new Map();

/** Lets the app sync a database with this one, live, instead of whatever it synced it with before. */
function sync({ database, url }) {
  syncs.get(database)?.cancel();
  syncs.delete(database);
  if (!url) return;
  const syncing = PouchDB.sync(new App(database), new PouchDB(url), {
    live: true, retry: true, back_off_function: () => 500,
  });
  // Retried by itself; without a listener an error would end the process.
  syncing.on('error', (error) => { console.error(database, error); });
  syncs.set(database, syncing);
}

const control = express.Router();
control.get('/-asked', (_request, response) => { response.json(asked); });
control.put('/-sync', express.json(), ({ body }, response) => {
  sync(body);
  response.json({ ok: true });
});

const server = await serve(PouchDB, 'server', count);
const app = await serve(App, 'app', control);
console.log(`serving ${server} ${app}`);
