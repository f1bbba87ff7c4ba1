// Three hubs and two people, from the first run on, in the pages alone: Anna's laptop, Anna's phone, and
// Bert. What a test does here goes on from what the tests before it did.

import assert from 'node:assert/strict';
import { test as story } from 'node:test';
import { confirm, faults, go, opened, overflow, picture } from './browser.mjs';
import { address, hubs } from './hubs.mjs';

const STEP_LIMIT_MS = 240_000;
const IN_STEP = { timeout: 120_000 };
/** What an app asked on the laptop before the suite began, over the control socket. */
const APP = 'recipe-book';

const [laptopHub, phoneHub, bertHub] = hubs;
let laptop;
let phone;
let bert;

let broken = false;

function step(name, run) {
  story(name, { timeout: STEP_LIMIT_MS }, async () => {
    assert.ok(!broken, 'what it goes on from failed');
    broken = true;
    try {
      await run();
    } catch (error) {
      for (const [who, page] of Object.entries({ laptop, phone, bert })) if (page) await picture(page, `story-broken-${who}`);
      throw error;
    }
    for (const page of [laptop, phone, bert]) page?.calm();
    broken = false;
    return undefined;
  });
}

/** Keeps a picture of a page that everybody can use. */
async function shown(page, name) {
  assert.deepEqual(await faults(page), [], name);
  assert.equal(await overflow(page), 0, name);
  await picture(page, `story-${name}`);
}

const heading = (page, name) => page.getByRole('heading', { name }).waitFor();

/** What the page says beside a label. */
const value = (page, label) => page.getByLabel(label, { exact: true }).first().inputValue();

/** Names the device and goes on, as the first run asks for it. */
async function named(page, name) {
  await page.getByRole('link', { name: 'Begin' }).click();
  await heading(page, 'Name this device');
  await shown(page, `00-name-${name}`);
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByRole('button', { name: 'Go on' }).click();
  await heading(page, 'Do you have another device with Larder?');
}

/** Writes a document's text in its page. */
async function written(page, database, id, body) {
  await go(page, `databases/${encodeURIComponent(database)}/document/${id}`);
  await page.getByLabel('The document as JSON').fill(JSON.stringify(body));
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Saved.' }).first().waitFor();
}

/** Waits until the page of a document shows this text. */
async function reads(page, database, id, text) {
  const place = `databases/${encodeURIComponent(database)}`;
  await go(page, place);
  await page.getByRole('link', { name: id, exact: true }).waitFor(IN_STEP);
  await page.getByText(text).first().waitFor(IN_STEP);
}

/** Says yes to whoever is there. */
async function yes(page, name, button) {
  await page.getByLabel(/^You call/).fill(name);
  await page.getByRole('button', { name: button }).click();
}

step('the laptop is named, and begins afresh', async () => {
  laptop = await opened({ hub: laptopHub });
  await shown(laptop, '01-welcome');
  await named(laptop, 'laptop');
  await shown(laptop, '02-another');
  await laptop.getByRole('button', { name: 'Start fresh' }).click();
  await laptop.getByRole('textbox', { name: 'Name' }).fill('recipes');
  await laptop.getByRole('button', { name: 'Make it' }).click();
  await heading(laptop, 'A first app');
  await shown(laptop, '03-first-app');
  await laptop.getByRole('button', { name: 'Done' }).click();
  await laptop.getByText('Everything is here.').waitFor();
  await written(laptop, 'recipes', 'bread', { title: 'Bread', flour: 500 });
  await go(laptop, 'databases');
  await laptop.getByRole('textbox', { name: 'Name' }).fill('diary');
  await laptop.getByRole('button', { name: 'Make it' }).click();
  await heading(laptop, 'diary');
  await written(laptop, 'diary', 'monday', { text: 'rain' });
});

step('the phone is named, and paired by a picture of the laptop’s code; all databases are there', async () => {
  phone = await opened({ hub: phoneHub, width: 360, height: 740, dark: true });
  await named(phone, 'phone');
  await shown(phone, '04-phone-another');
  await phone.getByRole('link', { name: 'Pair another device' }).click();
  await go(laptop, 'devices');
  await laptop.getByRole('link', { name: 'Add a device' }).click();
  await laptop.getByRole('button', { name: 'Show a code' }).click();
  await laptop.waitForFunction(() => document.querySelector('img.qr')?.naturalWidth > 0);
  await shown(laptop, '05-code');
  const code = await laptop.locator('img.qr').screenshot();
  await phone.getByText('From a picture').click();
  await phone.getByLabel('A picture of the code').setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: code });
  await shown(phone, '06-read-picture');
  await phone.getByRole('button', { name: 'Read the picture' }).click();
  for (const [page, own, other] of [[laptop, 'laptop', 'phone'], [phone, 'phone', 'laptop']]) {
    await heading(page, 'Is this your device?');
    assert.equal(await page.getByLabel('You call it').inputValue(), other, 'it says what it was named at the first run');
    await shown(page, `07-confirm-on-${own}`);
    await page.getByRole('button', { name: 'Yes, add this device' }).click();
  }
  for (const page of [laptop, phone]) await heading(page, 'Done');
  await shown(phone, '08-paired');
  await phone.getByRole('link', { name: 'Home' }).last().click();
  await phone.getByText('Everything is in step.').waitFor(IN_STEP);
  await shown(phone, '09-in-step');
  await go(phone, 'databases');
  for (const name of ['recipes', 'diary']) await phone.getByRole('link', { name, exact: true }).waitFor();
  await reads(phone, 'recipes', 'bread', '"flour":500');
  await reads(phone, 'diary', 'monday', 'rain');
  for (const [page, name] of [[laptop, 'laptop'], [phone, 'phone']]) {
    await go(page, 'devices');
    const row = (called) => page.getByRole('listitem').filter({ has: page.getByRole('link', { name: called, exact: true }) });
    await row(name).getByText('This device').waitFor();
    await row(name === 'phone' ? 'laptop' : 'phone').getByText('Connected').waitFor(IN_STEP);
  }
  await shown(phone, '10-devices');
});

step('Bert becomes a friend by a link, and both compare six digits', async () => {
  bert = await opened({ hub: bertHub, width: 800 });
  await bert.getByRole('link', { name: 'Begin' }).click();
  await bert.getByRole('textbox', { name: 'Name' }).fill('Bert’s');
  await bert.getByRole('button', { name: 'Go on' }).click();
  await bert.getByRole('button', { name: 'Skip all this' }).click();
  await go(laptop, 'people');
  await laptop.getByRole('link', { name: 'Add a friend' }).click();
  await laptop.getByLabel('You call yourself').fill('Anna');
  await laptop.getByRole('button', { name: 'Set', exact: true }).click();
  await laptop.getByRole('heading', { name: 'Your name' }).waitFor({ state: 'detached' });
  await laptop.getByRole('button', { name: 'Show a code' }).click();
  const link = await value(laptop, 'Link');
  await go(bert, 'people');
  await bert.getByRole('link', { name: 'Add a friend' }).click();
  await bert.getByLabel('Their link').fill(link);
  await shown(bert, '11-join');
  await bert.getByRole('button', { name: 'Join' }).first().click();
  const digits = [];
  for (const page of [laptop, bert]) digits.push(await page.locator('.digits').textContent());
  assert.match(digits[0], /^\d{6}$/);
  assert.equal(digits[0], digits[1]);
  await shown(laptop, '12-friend-digits');
  assert.equal(await bert.getByLabel('You call them').inputValue(), 'Anna', 'she says what she calls herself');
  for (const [page, name] of [[laptop, 'Bert'], [bert, 'Anna']]) {
    await page.getByLabel(/the other screen shows the same digits/).check();
    await yes(page, name, /add this friend/);
  }
  for (const page of [laptop, bert]) await heading(page, 'Done');
  for (const [page, name] of [[laptop, 'Bert'], [bert, 'Anna'], [phone, 'Bert']]) {
    await go(page, 'people');
    await page.getByRole('link', { name, exact: true }).waitFor(IN_STEP);
    await page.getByText('digits compared').waitFor(IN_STEP);
  }
  await shown(laptop, '13-people');
});

step('a database is shared to read, and Bert takes it', async () => {
  await go(laptop, 'databases/recipes/sharing');
  await laptop.getByLabel('With').selectOption({ label: 'Bert' });
  await laptop.getByRole('button', { name: 'Share it' }).click();
  await laptop.getByText('reads', { exact: true }).waitFor();
  await go(bert, '');
  await bert.getByRole('link', { name: /1 database is offered to you/ }).click();
  await bert.getByRole('button', { name: 'Take recipes' }).click();
  await shown(bert, '14-invitation');
  await confirm(bert, 'Take it');
  await bert.getByRole('link', { name: 'anna/recipes' }).waitFor(IN_STEP);
  await reads(bert, 'anna/recipes', 'bread', '"flour":500');
  await go(bert, 'databases');
  assert.equal(await bert.getByRole('link', { name: 'diary' }).count(), 0);
  await shown(bert, '15-shared-with-me');
});

step('what Bert writes stays with him until he may write', async () => {
  await written(bert, 'anna/recipes', 'soup', { title: 'Soup', by: 'Bert' });
  await go(bert, 'people');
  await bert.getByText('You may only read it: your edits stay here.').waitFor(IN_STEP);
  await written(laptop, 'recipes', 'cake', { title: 'Cake' });
  await reads(bert, 'anna/recipes', 'cake', 'Cake');
  await go(laptop, 'databases/recipes');
  await laptop.getByRole('link', { name: 'cake', exact: true }).waitFor();
  assert.equal(await laptop.getByRole('link', { name: 'soup', exact: true }).count(), 0);
  await go(laptop, 'databases/recipes/sharing');
  await laptop.getByLabel('They may').selectOption('write');
  await laptop.getByRole('button', { name: 'Share it' }).click();
  await laptop.getByText('reads and writes', { exact: true }).waitFor();
  await shown(laptop, '16-sharing');
  await reads(laptop, 'recipes', 'soup', '"by":"Bert"');
  await reads(phone, 'recipes', 'soup', '"by":"Bert"');
});

step('what is withdrawn stays with Bert, and nothing more of it goes there', async () => {
  await go(laptop, 'databases/recipes/sharing');
  await laptop.getByRole('button', { name: 'Withdraw from Bert' }).click();
  await confirm(laptop, 'Stop sharing');
  await laptop.getByText('Shared with nobody.').waitFor();
  await go(bert, 'people');
  await bert.getByText('Withdrawn').waitFor(IN_STEP);
  await shown(bert, '17-withdrawn');
  await written(laptop, 'recipes', 'secret', { title: 'Secret' });
  await reads(phone, 'recipes', 'secret', 'Secret');
  await go(bert, 'databases/anna%2Frecipes');
  for (const id of ['bread', 'cake', 'soup']) await bert.getByRole('link', { name: id, exact: true }).waitFor();
  assert.equal(await bert.getByRole('link', { name: 'secret', exact: true }).count(), 0);
});

step('an edit that lost is compared and restored', async () => {
  for (const page of [laptop, phone]) {
    await go(page, 'settings');
    await page.getByRole('button', { name: 'Pause sync' }).click();
    await page.getByText('Sync is paused.').waitFor();
  }
  await shown(phone, '18-paused');
  await written(laptop, 'diary', 'monday', { text: 'rain, then a rainbow, and we walked to the lake' });
  await written(phone, 'diary', 'monday', { text: 'sun' });
  for (const page of [laptop, phone]) {
    await go(page, 'settings');
    await page.getByRole('button', { name: 'Go on with sync' }).click();
    await page.getByRole('button', { name: 'Pause sync' }).waitFor();
  }
  await reads(laptop, 'diary', 'monday', '"text":"sun"');
  await go(laptop, 'overwritten');
  await laptop.getByRole('link', { name: 'monday' }).click();
  await laptop.getByText(/then a rainbow/).first().waitFor();
  await shown(laptop, '19-overwritten');
  await laptop.getByRole('button', { name: 'Restore what lost' }).click();
  await heading(laptop, 'Lost to later edits');
  for (const page of [laptop, phone]) await reads(page, 'diary', 'monday', 'then a rainbow');
});

step('an app that asks is let in', async () => {
  await go(laptop, '');
  await shown(laptop, '20-home');
  await laptop.getByRole('link', { name: /1 app asks to be let in/ }).click();
  await shown(laptop, '21-app-asks');
  await laptop.getByRole('button', { name: `Approve ${APP}` }).click();
  await confirm(laptop, 'Approve');
  await laptop.getByText('May read and write recipes').waitFor();
  await shown(laptop, '22-apps');
  await go(laptop, '');
  await laptop.getByText('Everything is in step.').waitFor(IN_STEP);
  await shown(laptop, '23-home-in-step');
  assert.equal(laptop.hub, address(laptopHub).origin);
});
