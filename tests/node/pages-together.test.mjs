// Two hubs and the people before them, twice: paired by a picture, friends by compared digits, a database shared,
// then with more, then no longer. Each in a browser of its own.

import assert from 'node:assert/strict';
import { confirm, go, opened, picture } from './browser.mjs';
import { ask, eventually, hubs, test, told } from './hubs.mjs';

const [laptop, phone, desk, pocket] = hubs;

async function both([one, other], at) {
  return [await opened({ hub: one, at }), await opened({ hub: other, at, width: 360, height: 740, dark: true })];
}

test('a friend is added by an address and six digits, and a database shared, with more, and no longer', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'recipes' } });
  await told('PUT', '/recipes/bread', { body: { flour: 500 } });
  const [host, guest] = await both([laptop, phone], 'pair/friend');
  await host.getByText('In another way').click();
  await host.getByLabel(/and six digits compared/).check();
  await host.getByRole('button', { name: 'Show a code' }).click();
  await host.getByRole('heading', { name: 'Waiting for them to come' }).waitFor();
  const address = await host.getByLabel('Address', { exact: true }).first().inputValue();
  await guest.getByText('By address and a spoken code').click();
  const join = guest.getByRole('form', { name: 'Join by address' });
  await join.getByLabel('Address').fill(address);
  await join.getByRole('button').click();
  const digits = await Promise.all([host, guest].map((page) => page.locator('.digits').textContent()));
  assert.match(digits[0], /^\d{6}$/);
  assert.equal(digits[0], digits[1]);
  await picture(guest, 'together-digits');
  for (const [page, name] of [[host, 'Bert'], [guest, 'Anna']]) {
    await page.getByLabel('You call them').fill(name);
    await page.getByRole('button', { name: 'They are the same: add this friend' }).click();
  }
  for (const page of [host, guest]) await page.getByRole('heading', { name: 'Done' }).waitFor();

  await go(host, 'databases/recipes/sharing');
  await host.getByLabel('With').selectOption({ label: 'Bert' });
  await host.getByRole('button', { name: 'Share it' }).click();
  await host.getByText('reads', { exact: true }).waitFor();
  await go(guest, 'people');
  await guest.getByRole('button', { name: 'Take recipes' }).click();
  await picture(guest, 'together-take');
  await confirm(guest, 'Take it');
  await guest.getByRole('link', { name: 'anna/recipes' }).waitFor();
  await eventually(async () => (await ask('GET', '/anna%2Frecipes/bread', { hub: phone })).status === 200);

  await host.getByLabel('They may').selectOption('write');
  await host.getByRole('button', { name: 'Share it' }).click();
  await host.getByText('reads and writes', { exact: true }).waitFor();
  const { _rev } = await told('GET', '/anna%2Frecipes/bread', { hub: phone });
  await told('PUT', '/anna%2Frecipes/bread', { hub: phone, body: { _rev, flour: 600 } });
  await eventually(async () => (await told('GET', '/recipes/bread')).flour === 600);

  await host.getByRole('button', { name: 'Withdraw from Bert' }).click();
  await confirm(host, 'Stop sharing');
  await host.getByText('Shared with nobody.').waitFor();
  await guest.getByText('Withdrawn').waitFor();
  for (const page of [host, guest]) page.calm();
  for (const hub of [laptop, phone]) {
    const { friends } = await told('GET', '/_hub/friends', { hub });
    assert.deepEqual(friends.map(({ verified }) => verified), ['compared']);
  }
});

test('a device is paired by the picture of a code, and has every database', async () => {
  await told('POST', '/_hub/dbs', { hub: desk, body: { name: 'diary' } });
  await told('PUT', '/diary/today', { hub: desk, body: { text: 'paired' } });
  const [host, guest] = await both([desk, pocket], 'pair/device');
  await host.getByRole('button', { name: 'Show a code' }).click();
  await host.waitForFunction(() => document.querySelector('img.qr')?.naturalWidth > 0);
  await picture(host, 'together-qr');
  const code = await host.locator('img.qr').screenshot();
  await guest.getByText('From a picture').click();
  await guest.getByLabel('A picture of the code').setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: code });
  await guest.getByRole('button', { name: 'Read the picture' }).click();
  for (const [page, name] of [[host, 'pocket'], [guest, 'desk']]) {
    await page.getByRole('heading', { name: 'Is this your device?' }).waitFor();
    await page.getByLabel('You call it').fill(name);
    await picture(page, `together-confirm-${name}`);
    await page.getByRole('button', { name: 'Yes, add this device' }).click();
  }
  for (const page of [host, guest]) await page.getByRole('heading', { name: 'Done' }).waitFor();
  await eventually(async () => (await ask('GET', '/diary/today', { hub: pocket })).status === 200);
  await go(guest, 'databases/diary');
  await guest.getByRole('link', { name: 'today' }).waitFor();
  await go(guest, 'devices');
  await guest.getByRole('link', { name: 'desk' }).waitFor();
  await go(guest, '');
  await guest.getByText('Everything is in step.').waitFor({ timeout: 60_000 });
  await picture(guest, 'together-in-step');
  for (const page of [host, guest]) page.calm();
});
