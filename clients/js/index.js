// What an app in Node needs to talk to the hub of its person, and to nobody else.
//
//   const hub = await findHub();
//   const app = await loadOrMakeKey('notes-app.key');
//   await enrol({ hub, app, name: 'notes-app', databases: [{ name: 'notes', write: true }] });
//   const fetch = hubFetch({ url: hub.url, hubKey: hub.key, ...app });
//   const notes = new PouchDB(`${hub.url}notes`, { fetch });

export { enrol, enrolWithCode } from './lib/enrol.js';
export { HubError } from './lib/error.js';
export { hubFetch } from './lib/fetch.js';
export { defaultDataDir, findHub } from './lib/hub.js';
export { loadOrMakeKey, makeKey } from './lib/key.js';
