// Notes that live on this device's hub and in a copy of the app's own: `node examples/notes.mjs [TEXT]`.
//
// The first time the owner lets the app in: `larder app approve notes-app`.

import PouchDB from 'pouchdb';
import { enrol, findHub, hubFetch, loadOrMakeKey } from 'larder-client';

const name = 'notes-app';
const hub = await findHub();
const app = await loadOrMakeKey(`${name}.key`);
const onWaiting = () => console.log(`waiting for the owner: larder app approve ${name}`);
await enrol({ hub, app, name, databases: [{ name: 'notes', write: true }], onWaiting });

const fetch = hubFetch({ url: hub.url, hubKey: hub.key, ...app });
const remote = new PouchDB(`${hub.url}notes`, { fetch });
const local = new PouchDB('notes-copy');
const sync = local.sync(remote, { live: true, retry: true });
sync.on('change', ({ direction, change }) => {
  for (const { _id, text } of change.docs) console.log(direction, _id, text ?? '');
});
sync.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});

const text = process.argv[2];
if (text) await local.put({ _id: new Date().toJSON(), text });
console.log('in sync until Ctrl-C');
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => sync.cancel());
sync.once('complete', async () => {
  await local.close();
  fetch.close();
});
