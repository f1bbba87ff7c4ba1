// Pairing, devices and people in all their states, between the pages and a fake of what hubs say.

import assert from 'node:assert/strict';
import { confirm, faults, go, opened, overflow, picture, settled } from './browser.mjs';
import { faked, pairing, people } from './fake.mjs';
import { test, told } from './hubs.mjs';

async function right(page, name) {
  assert.deepEqual(await faults(page), [], name);
  assert.equal(await overflow(page), 0, name);
  await picture(page, `pairing-${name}`);
}

test('a device is paired by whoever shows the code', async () => {
  const page = await opened({ width: 360, height: 740, dark: true });
  const { next, table } = pairing({ role: 'host', kind: 'device', states: ['waiting', 'confirm', 'confirmed', 'done'] });
  const asked = await faked(page, table);
  await go(page, 'pair/device');
  await page.getByRole('button', { name: 'Show a code' }).click();
  await page.getByRole('img', { name: /QR code/ }).waitFor();
  await page.waitForFunction(() => document.querySelector('img.qr').naturalWidth > 0);
  assert.equal(await page.getByLabel('Link', { exact: true }).inputValue(), 'larder:pair#abcdef0123456789');
  await page.getByText(/Good for \d+ min more/).waitFor();
  await right(page, 'host');
  next();
  await page.getByRole('heading', { name: 'Is this your device?' }).waitFor();
  await page.getByText('This name looks like that of phone.').waitFor();
  await page.getByLabel('You call it').fill('pocket');
  await right(page, 'confirm');
  await page.getByRole('button', { name: 'Yes, add this device' }).click();
  await page.getByRole('heading', { name: 'Waiting for the other side' }).waitFor();
  next();
  await page.getByRole('heading', { name: 'Done' }).waitFor();
  assert.deepEqual(asked.map(({ path, sent }) => [path, sent]), [['/_hub/pairing', { kind: 'device' }], ['/_hub/pairing/p1/confirm', { name: 'pocket' }]]);
  page.calm();
});

test('a friend is added by a link and six digits, with something shared at once', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'recipes' } });
  const page = await opened();
  const { next, table } = pairing({ role: 'guest', kind: 'friend', name: 'Anna', states: ['compare', 'confirmed', 'done'], more: { verified: 'compared' } });
  const asked = await faked(page, table);
  await go(page, 'pair/friend');
  await page.getByLabel('Their link').fill(' larder:pair#xyz ');
  await page.getByRole('button', { name: 'Join' }).first().click();
  await page.getByRole('heading', { name: /same on both screens/ }).waitFor();
  assert.equal(await page.locator('.digits').textContent(), '042917');
  await right(page, 'digits');
  await page.getByLabel('You call them').fill('Anna M');
  await page.getByText('Share something with them at once').click();
  await page.getByRole('group', { name: 'recipes' }).getByLabel('to read', { exact: true }).check();
  await right(page, 'share');
  await page.getByRole('button', { name: 'They are the same: add this friend' }).click();
  await page.getByRole('heading', { name: 'Waiting for the other side' }).waitFor();
  next();
  await page.getByText('Anna is your friend.').waitFor();
  assert.deepEqual(asked.map(({ sent }) => sent), [
    { link: 'larder:pair#xyz', kind: 'friend' }, { name: 'Anna M', share: [{ database: 'recipes', right: 'read' }], digits_match: true },
  ]);
  page.calm();
});

test('digits that differ end it, and so does whatever goes wrong', async () => {
  for (const [states, heading] of [[['compare'], 'Refused'], [['failed'], 'It did not work'], [['expired'], 'Too late'], [['connecting'], 'Connecting']]) {
    const page = await opened();
    const { table } = pairing({ role: 'guest', kind: 'device', states });
    await faked(page, table);
    await go(page, 'pairing/p1');
    if (heading === 'Refused') await page.getByRole('button', { name: 'They differ' }).click();
    await page.getByRole('heading', { name: heading }).waitFor();
    assert.deepEqual(await faults(page), [], heading);
    page.calm();
  }
});

test('a picture of a code is read by the hub', async () => {
  const page = await opened();
  const { table } = pairing({ role: 'guest', kind: 'device', states: ['connecting'] });
  const asked = await faked(page, { ...table, 'POST /_hub/qr': { text: 'larder:pair#from-picture' } });
  await go(page, 'pair/device');
  await page.getByText('From a picture').click();
  const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
  await page.getByLabel('A picture of the code').setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: Buffer.from(pixel, 'base64') });
  await page.getByRole('button', { name: 'Read the picture' }).click();
  await page.getByRole('heading', { name: 'Connecting' }).waitFor();
  assert.equal(asked[0].sent.subarray(1, 4).toString(), 'PNG');
  assert.deepEqual(asked[1].sent, { link: 'larder:pair#from-picture', kind: 'device', scanned: true });
  page.calm();
});

test('the camera is looked through until a code is seen', async () => {
  const page = await opened();
  await page.context().grantPermissions(['camera']);
  // A camera that sees a square: there is none where tests run.
  await page.evaluate(() => {
    const canvas = document.createElement('canvas');
    canvas.width = 320;
    canvas.height = 240;
    const context = canvas.getContext('2d');
    setInterval(() => { context.fillRect(0, 0, 100 * Math.random(), 100); }, 50);
    navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(10);
  });
  const { table } = pairing({ role: 'guest', kind: 'device', states: ['connecting'] });
  let frames = 0;
  const asked = await faked(page, { ...table, 'POST /_hub/qr': () => {
    frames += 1;
    return frames < 3 ? { status: 400, error: 'bad_request', reason: 'no code' } : { text: 'larder:pair#seen' };
  } });
  await go(page, 'pair/device');
  await page.getByRole('button', { name: 'Use the camera' }).click();
  await page.getByRole('heading', { name: 'Connecting' }).waitFor();
  assert.equal(frames, 3);
  assert.deepEqual(asked.at(-1).sent, { link: 'larder:pair#seen', kind: 'device', scanned: true });
  page.calm();
});

test('people, devices and what they share, each answered', async () => {
  const page = await opened();
  const asked = await faked(page, {
    ...people(), 'POST /_hub/requests/*': { ok: true }, 'POST /_hub/invitations/*': { ok: true }, 'DELETE /_hub/shares*': { ok: true }, 'POST /_hub/devices/*': { ok: true },
    'PUT /_hub/requests': { ok: true }, 'DELETE /_hub/devices/*': { ok: true, holds: [{ database: 'recipes', documents: 5 }] },
  });
  await go(page, 'people');
  await page.getByRole('button', { name: 'Accept Anna' }).click();
  await confirm(page, 'Accept');
  await page.getByRole('button', { name: 'Take Anna' }).click();
  await confirm(page, 'Take it');
  await page.getByRole('button', { name: 'Withdraw recipes from Anna' }).click();
  await confirm(page, 'Stop sharing');
  await page.getByRole('button', { name: 'Take no more requests' }).click();
  await right(page, 'people');
  await go(page, `devices/${'b'.repeat(52)}`);
  await page.getByText('Two devices have removed each other.').waitFor();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.getByRole('button', { name: 'Remove this device' }).click();
  await confirm(page, 'Remove', 'Anna 2');
  await page.getByText('recipes: 5 documents').waitFor();
  await right(page, 'device');
  assert.deepEqual(asked.map(({ method, path, sent }) => [method, path, sent]).filter(([method]) => method !== 'GET').map(([method, path, sent]) => [`${method} ${path}`, sent]), [
    ['POST /_hub/requests/r1', { accept: true, name: 'Anna' }],
    ['POST /_hub/invitations/i1', { accept: true }],
    ['DELETE /_hub/shares', null],
    ['PUT /_hub/requests', { open: false }],
    [`POST /_hub/devices/${'b'.repeat(52)}/keep`, {}],
    [`DELETE /_hub/devices/${'b'.repeat(52)}`, null],
  ]);
  page.calm();
});

test('a host that tells a code shows it, and where it is', async () => {
  const page = await opened();
  const { table } = pairing({ role: 'host', kind: 'device', states: ['waiting'], more: { link: undefined } });
  const asked = await faked(page, table);
  await go(page, 'pair/device');
  await page.getByText('In another way').click();
  await page.getByLabel(/By an address and a code/).check();
  await page.getByRole('button', { name: 'Show a code' }).click();
  await page.getByText('7-crossover-clockwork').waitFor();
  assert.match(await page.getByLabel('Address', { exact: true }).inputValue(), /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(asked[0].sent, { kind: 'device', proof: 'spoken' });
  await right(page, 'spoken');
  page.calm();
});

test('budgets are set, and what a device takes', async () => {
  await told('PUT', '/large').catch(() => {});
  const page = await opened();
  const asked = await faked(page, { ...people(), 'PUT /_hub/quotas': { ok: true }, 'PUT /_hub/rules': { ok: true }, 'DELETE /_hub/quotas': { ok: true } });
  await go(page, 'storage');
  const form = page.getByRole('form', { name: 'Set a budget' });
  await form.getByLabel('For').selectOption({ label: 'Anna' });
  await form.getByLabel('Megabytes').fill('2.5');
  await form.getByRole('button').click();
  await page.getByRole('status').filter({ hasText: 'Set.' }).first().waitFor();
  await right(page, 'budgets');
  await page.getByRole('button', { name: /^Remove the budget of Anna/ }).click();
  await go(page, 'databases/large/keeping');
  await page.getByLabel('nothing').check();
  await page.getByRole('button', { name: 'Set what it takes' }).click();
  await page.getByRole('status').filter({ hasText: 'Set.' }).first().waitFor();
  const key = 'mifas2ltvnwjikt7bbzp25zi3kkc3pvnqhsv2tslwfr7cqrbnooq';
  assert.deepEqual(asked.map(({ method, sent }) => [method, sent]), [['PUT', { who: key, bytes_max: 2_500_000 }], ['DELETE', null], ['PUT', { db: 'large', skip: true }]]);
  page.calm();
});
