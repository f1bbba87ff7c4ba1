// What people come to the pages for.

import assert from 'node:assert/strict';
import { confirm, go, opened, picture, settled } from './browser.mjs';
import { address, ask, eventually, hubs, test, told } from './hubs.mjs';
import { lost, overwrite, reach } from './furnish.mjs';

const say = (page, text) => page.getByRole('status').filter({ hasText: text }).first().waitFor();

test('the first run leads through', async () => {
  const page = await opened();
  await page.getByRole('link', { name: 'Begin' }).click();
  await page.getByRole('heading', { name: 'Name this device' }).waitFor();
  await picture(page, 'use-welcome');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('button', { name: 'Start fresh' }).click();
  await page.getByLabel('Name').fill('Wrong Name');
  await page.getByRole('button', { name: 'Make it' }).click();
  assert.equal(await page.getByLabel('Name').evaluate((input) => input.validity.valid), false);
  await page.getByLabel('Name').fill('first');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('heading', { name: 'A first app' }).waitFor();
  assert.equal(await page.getByLabel('Address', { exact: true }).inputValue(), `${page.hub}/`);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('Everything is here.').waitFor();
  assert.ok((await told('GET', '/_all_dbs')).includes('first'));
  page.calm();
});

test('a database is made, and what cannot be one is refused in words', async () => {
  const page = await opened({ at: 'databases' });
  await page.getByLabel('Name').fill('Letters');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('alert').filter({ hasText: 'Only lowercase characters' }).waitFor();
  await page.getByLabel('Name').fill('letters/2026');
  await page.getByLabel('On this device only').check();
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('heading', { level: 1, name: 'letters/2026' }).waitFor();
  const { databases } = await told('GET', '/_hub/dbs');
  const made = databases.find(({ name }) => name === 'letters/2026');
  assert.deepEqual([made.scope, made.conflicts], ['local', 'newest']);
  page.calm();
});

test('a document is made, edited, deleted; attachments stay', async () => {
  await told('PUT', '/papers');
  const page = await opened({ at: 'databases/papers' });
  await page.getByLabel('Its id').fill('a/b c');
  await page.getByRole('button', { name: 'New document' }).click();
  await page.getByRole('heading', { level: 1, name: 'a/b c' }).waitFor();
  const text = page.getByLabel('The document as JSON');
  await text.fill('{"title": ');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: 'not JSON' }).waitFor();
  await text.fill('{"title": "first"}');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await say(page, 'Saved.');
  const path = '/papers/a%2Fb%20c';
  const { _rev } = await told('GET', path);
  await told('PUT', `${path}/photo.png?rev=${_rev}`, { body: new Uint8Array([1, 2, 3]), headers: { 'content-type': 'image/png' } });
  await page.getByText('photo.png').waitFor();
  await text.fill('{"title": "second"}');
  await text.press('Control+s');
  await eventually(async () => (await told('GET', path)).title === 'second');
  assert.equal((await told('GET', path))._attachments['photo.png'].length, 3);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save photo.png to a file' }).click()]);
  assert.equal(download.suggestedFilename(), 'photo.png');
  await picture(page, 'use-document');
  await page.getByRole('button', { name: 'Delete this document' }).click();
  await confirm(page, 'Delete');
  await page.getByRole('heading', { level: 1, name: 'papers' }).waitFor();
  assert.equal((await ask('GET', path)).status, 404);
  page.calm();
});

test('who saves over somebody else’s edit sees both first', async () => {
  await told('PUT', '/drafts');
  const { rev } = await told('PUT', '/drafts/a', { body: { title: 'as it was', kept: 1 } });
  const page = await opened({ at: 'databases/drafts/document/a' });
  const text = page.getByLabel('The document as JSON');
  await text.fill('{"title": "mine", "kept": 1}');
  await told('PUT', '/drafts/a', { body: { _rev: rev, title: 'theirs', kept: 1 } });
  await page.getByText('changed meanwhile').first().waitFor();
  assert.match(await text.inputValue(), /mine/, 'nobody’s typing is thrown away');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: /changed it meanwhile/ }).waitFor();
  const marked = await page.locator('td.differs').allTextContents();
  assert.deepEqual(marked.map((line) => line.replace(/.*: {3}/, '').trim()).length, 2, marked.join());
  await picture(page, 'use-conflict');
  await page.getByRole('button', { name: 'Save yours over it' }).click();
  await say(page, 'Saved.');
  assert.equal((await told('GET', '/drafts/a')).title, 'mine');
  page.calm();
});

test('conflicts that an app keeps are found and settled', async () => {
  await told('PUT', '/kept');
  await told('POST', '/kept/_bulk_docs', { body: { new_edits: false, docs: [{ _id: 'x', _rev: '1-a', by: 'one' }, { _id: 'x', _rev: '1-b', by: 'other' }] } });
  const page = await opened({ at: 'databases/kept' });
  await page.getByRole('button', { name: 'Look for conflicts' }).click();
  const found = page.getByRole('list', { name: 'Documents in conflict' });
  await found.getByRole('link', { name: 'x' }).click();
  await page.getByRole('heading', { name: 'Other versions' }).waitFor();
  await page.getByRole('button', { name: 'Compare with 1-a' }).click();
  await page.getByRole('region', { name: 'Comparison' }).waitFor();
  await page.getByRole('button', { name: 'Use 1-a' }).click();
  await page.getByRole('heading', { name: 'Other versions' }).waitFor({ state: 'detached' });
  const now = await told('GET', '/kept/x?conflicts=true');
  assert.deepEqual([now.by, now._conflicts], ['one', undefined]);
  page.calm();
});

test('a database is renamed, compacted, deleted after its name was typed, and comes back', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'journal' } });
  await told('PUT', '/journal/a', { body: { text: 'kept' } });
  const page = await opened({ at: 'databases/journal/keeping' });
  await page.getByRole('button', { name: 'Compact' }).click();
  await say(page, 'Being compacted.');
  await page.getByLabel('New name').fill('diary');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('heading', { level: 1, name: 'diary' }).waitFor();
  await page.getByLabel(/Keep both until/).check();
  await page.getByRole('button', { name: 'Set the rule' }).click();
  await say(page, 'Set.');
  await eventually(async () => (await told('GET', '/_hub/dbs')).databases.find(({ name }) => name === 'diary')?.conflicts === 'keep');
  await page.getByRole('button', { name: 'Delete this database' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/to confirm/).fill('dairy');
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog.getByRole('alert').filter({ hasText: 'Type “diary” to go on.' }).waitFor();
  assert.equal((await ask('GET', '/diary')).status, 200);
  await picture(page, 'use-delete');
  await confirm(page, 'Delete', 'diary');
  await page.getByRole('heading', { level: 1, name: 'Databases' }).waitFor();
  assert.equal((await ask('GET', '/diary')).status, 404);
  await page.getByRole('button', { name: 'Restore diary' }).click();
  await say(page, 'diary is back.');
  assert.equal((await told('GET', '/diary/a')).text, 'kept');
  page.calm();
});

test('an overwritten edit is compared and restored', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'notes' } });
  await overwrite();
  const page = await opened({ at: 'overwritten' });
  await page.getByRole('link', { name: 'shopping' }).click();
  await page.getByRole('heading', { level: 1, name: 'shopping' }).waitFor();
  const marked = (await page.locator('td.differs').allTextContents()).join('\n');
  assert.match(marked, /apples[^]*pears|pears[^]*apples/);
  assert.ok(!marked.includes('bread'), marked);
  await picture(page, 'use-overwritten');
  await page.getByRole('button', { name: 'Restore what lost' }).click();
  await page.getByText('Nothing was overwritten.').waitFor();
  assert.deepEqual((await told('GET', '/notes/shopping')).items, ['milk', 'bread', 'apples']);
  assert.equal(await lost('shopping'), undefined);
  page.calm();
});

test('a conflict that no rule decides is compared and decided', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'trips' } });
  const [old, newer] = ['1-0a0b0c0d0e0f40004000100020003001', '1-fa0b0c0d0e0f40004000100020003002'];
  const docs = [{ _id: 'trip', _rev: old, to: 'Rome', by: 'train' }, { _id: 'trip', _rev: newer, to: 'Oslo', by: 'train' }];
  await told('POST', '/trips/_bulk_docs', { body: { new_edits: false, docs } });
  const page = await opened();
  await page.getByRole('link', { name: '1 document needs your decision' }).click();
  await page.getByText('2 versions · a revision that no hub stamped').waitFor();
  await picture(page, 'use-undecided');
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.getByRole('heading', { level: 1, name: 'trip' }).waitFor();
  const marked = (await page.locator('td.differs').allTextContents()).join('\n');
  assert.ok(/Oslo[^]*Rome/.test(marked) && !marked.includes('train'), marked);
  await picture(page, 'use-decide');
  await page.getByRole('button', { name: `Keep this one: ${old}` }).click();
  await page.getByText('Nothing needs a decision.').waitFor();
  const { _conflicts, to } = await told('GET', '/trips/trip?conflicts=true');
  assert.deepEqual([to, _conflicts], ['Rome', undefined]);
  await page.getByRole('link', { name: 'trip' }).waitFor();
  page.calm();
});

test('an app that asks is approved with less than it asked for, used, and revoked', async () => {
  const page = await opened({ at: 'apps' });
  const key = 'd2k6g4auqmes5pe242y35awwmmsckrpl3p7sbe4uocncrume3hgq';
  await told('POST', '/_hub/enrolments', { body: { name: 'pad', key, databases: [{ name: 'notes', write: true }, { name: 'first', write: true }] } });
  await page.getByRole('button', { name: 'Approve pad' }).click();
  await page.getByLabel('It may use').first().waitFor();
  await page.getByRole('dialog').getByLabel('It may use').fill('notes:r');
  await confirm(page, 'Approve');
  await page.getByRole('button', { name: 'Revoke pad' }).waitFor();
  const { apps } = await told('GET', '/_hub/apps');
  assert.deepEqual(apps.find(({ name }) => name === 'pad').databases, [{ name: 'notes', write: false }]);
  await picture(page, 'use-apps');
  await page.getByRole('button', { name: 'Revoke pad' }).click();
  await confirm(page, 'Revoke');
  await page.getByRole('button', { name: 'Revoke pad' }).waitFor({ state: 'detached' });
  assert.deepEqual((await told('GET', '/_hub/apps')).apps, []);

  const byToken = page.getByRole('form', { name: 'Make a token' });
  await byToken.getByLabel('A name for the app').fill('editor');
  await byToken.getByLabel('It may use').fill('notes:rw');
  await byToken.getByRole('button').click();
  const token = await page.getByLabel('Token', { exact: true }).inputValue();
  const used = await fetch(`${page.hub}/notes`, { headers: { authorization: `Basic ${btoa(`editor:${token}`)}` } });
  assert.equal(used.status, 200);
  page.calm();
});

test('a device is added by hand, seen, shared with, and removed', async () => {
  const page = await opened({ at: 'pair/device' });
  await page.getByText('By httpkey URL').click();
  const byHand = page.getByRole('form', { name: 'Add by httpkey URL' });
  await byHand.getByLabel('Their httpkey URL').fill('not a URL');
  await byHand.getByRole('button').click();
  await byHand.getByRole('alert').filter({ hasText: /./ }).waitFor();
  await byHand.getByLabel('Their httpkey URL').fill(await reach(hubs[1]));
  await byHand.getByLabel('You call it').fill('tablet');
  await byHand.getByRole('button').click();
  await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();
  await page.getByRole('link', { name: 'tablet' }).click();
  await page.getByRole('heading', { level: 1, name: 'tablet' }).waitFor();
  await page.getByRole('button', { name: 'Remove this device' }).click();
  await confirm(page, 'Remove', 'tablet');
  await say(page, 'tablet was removed.');
  const { devices } = await told('GET', '/_hub/devices');
  assert.ok(devices.every(({ name, standing }) => name !== 'tablet' || standing === 'removed'), JSON.stringify(devices));
  page.calm();
});

test('a database is shared with a friend and withdrawn', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'plans' } });
  const friend = 'mifas2ltvnwjikt7bbzp25zi3kkc3pvnqhsv2tslwfr7cqrbnooq';
  await told('POST', '/_hub/friends', { body: { url: `httpkey://127.0.0.1:9/ed25519publickey:${friend}/`, name: 'Anna' } });
  const page = await opened({ at: 'databases/plans/sharing' });
  await page.getByLabel('With').selectOption({ label: 'Anna' });
  await page.getByLabel('They may').selectOption('write');
  await page.getByRole('button', { name: 'Share it' }).click();
  await say(page, 'Shared.');
  const may = async () => (await told('GET', `/_hub/acl/explain?who=${friend}&method=PUT&path=/plans/a`)).allowed;
  assert.equal(await may(), true);
  await page.getByRole('button', { name: /^Withdraw/ }).click();
  await confirm(page, 'Stop sharing');
  await eventually(async () => await may() === false);
  page.calm();
});

test('a backup is saved', async () => {
  const page = await opened({ at: 'settings' });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save a backup' }).click()]);
  assert.match(download.suggestedFilename(), /^larder-\d{4}-\d\d-\d\d\.backup$/);
  page.calm();
});
