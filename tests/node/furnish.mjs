// Two hubs with something on them: databases, a device, a friend, apps, an edit that lost.

import { eventually, hubs, told } from './hubs.mjs';

const [laptop, phone] = hubs;

/** Where a hub is reached in this machine's network. */
export async function reach(hub) {
  const { reach: urls } = await told('GET', '/_hub/status', { hub });
  return urls.find((url) => url.startsWith('httpkey://127.0.0.1'));
}

/** Puts something of everything on the first hub; ids of it. */
export async function furnish() {
  for (const name of ['notes', 'photos', 'recipes']) await told('POST', '/_hub/dbs', { body: { name } });
  const docs = Array.from({ length: 60 }, (_, at) => ({ _id: `recipe-${at + 1}`, title: `Recipe ${at + 1}`, serves: 4, ingredients: ['flour', 'salt', 'water'] }));
  await told('POST', '/recipes/_bulk_docs', { body: { docs } });
  const photo = { content_type: 'image/jpeg', data: Buffer.alloc(50_000, 7).toString('base64') };
  await told('PUT', '/photos/cat', { body: { title: 'Cat', _attachments: { 'cat.jpg': photo } } });
  await told('PUT', '/lists');
  await told('POST', '/lists/_bulk_docs', { body: { new_edits: false, docs: [{ _id: 'in-conflict', _rev: '1-a', by: 'laptop' }, { _id: 'in-conflict', _rev: '1-b', by: 'phone' }] } });
  await told('POST', '/_hub/apps', { body: { name: 'gallery', databases: [{ name: 'photos', write: false }] } });
  const { document } = await overwrite();
  // Each names the other, and they are in step.
  const [here, there] = [await reach(laptop), await reach(phone)];
  await told('POST', '/_hub/devices', { hub: laptop, body: { url: there, name: 'phone' } });
  await told('POST', '/_hub/devices', { hub: phone, body: { url: here, name: 'laptop' } });
  const friend = 'mifas2ltvnwjikt7bbzp25zi3kkc3pvnqhsv2tslwfr7cqrbnooq';
  const { friends } = await told('GET', '/_hub/friends');
  if (friends.length === 0) await told('POST', '/_hub/friends', { body: { url: `httpkey://127.0.0.1:9/ed25519publickey:${friend}/`, name: 'Anna' } });
  const { devices } = await told('GET', '/_hub/devices');
  const device = devices.find(({ name }) => name === 'phone').key;
  await eventually(async () => (await told('GET', `/_hub/why?peer=phone`)).in_step);
  return { lost: (await lost(document)).id, friend, device };
}

/** An edit of the first hub that lost to one of the second's. */
export async function overwrite(database = 'notes', document = 'shopping') {
  await told('POST', '/_hub/dbs', { hub: phone, body: { name: database } }).catch(() => {});
  await told('PUT', `/${database}/${document}`, { body: { title: 'Shopping', items: ['milk', 'bread', 'apples'], text: 'as the laptop has it' } });
  await told('PUT', `/${database}/${document}`, { hub: phone, body: { title: 'Shopping list', items: ['milk', 'bread', 'pears'] } });
  await told('POST', '/_replicate', { body: { source: `${phone}${database}`, target: database } });
  return { document };
}

/** The edit of this document that lost. */
export async function lost(document) {
  const { overwritten } = await told('GET', '/_hub/overwritten');
  return overwritten.find((one) => one.document === document);
}
