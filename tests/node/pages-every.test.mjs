// Every page, with something on it: for those who see and those who do not, by keyboard, on a phone,
// dark and light.

import assert from 'node:assert/strict';
import { before } from 'node:test';
import { faults, go, opened, overflow, picture, settled } from './browser.mjs';
import { eventually, hubs, test, told } from './hubs.mjs';
import { furnish } from './furnish.mjs';

const PAGES = [
  '', 'welcome', 'people', 'people/FRIEND', 'devices', 'devices/DEVICE', 'pair/device', 'pair/friend', 'databases', 'databases/recipes',
  'databases/recipes/sharing', 'databases/recipes/keeping', 'databases/recipes/document/recipe-1', 'databases/photos/document/cat',
  'databases/lists/document/in-conflict', 'overwritten', 'overwritten/LOST', 'overwritten/lists/in-conflict', 'apps', 'storage', 'activity', 'settings', 'nowhere',
];

let places;
before(async () => {
  const { lost, friend, device } = await furnish();
  places = PAGES.map((place) => [place || 'home', place.replace('LOST', encodeURIComponent(lost)).replace('FRIEND', friend).replace('DEVICE', device)]);
});

for (const [kind, options] of [
  ['light', {}], ['dark', { dark: true }], ['phone', { width: 360, height: 740 }], ['phone-dark', { width: 360, height: 740, dark: true }],
]) {
  test(`pages are right: ${kind}`, async () => {
    const page = await opened(options);
    const found = [];
    for (const [name, place] of places) {
      await go(page, place);
      const warnings = await page.locator('main .warning').allTextContents();
      found.push(...warnings.map((text) => `${name}: ${text}`));
      found.push(...(await faults(page)).map((fault) => `${name}: ${fault}`));
      const wider = await overflow(page);
      if (wider > 0) found.push(`${name}: ${wider} pixels too wide`);
      await picture(page, `${name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 40)}-${kind}`);
    }
    assert.deepEqual(found, []);
    page.calm();
  });
}

test('everything is reached by keyboard, and the focus is seen', async () => {
  const page = await opened();
  const focused = () => page.evaluate(() => {
    const { activeElement: element } = document;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return { text: element.textContent.trim() || element.getAttribute('aria-label') || element.name, tag: element.tagName, outline: outlineStyle !== 'none' && outlineWidth !== '0px' };
  });
  await page.reload();
  await settled(page);
  await page.keyboard.press('Tab');
  assert.equal((await focused()).text, 'Skip to the page');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  // From the beginning again: the way to a page, its tabs, its form, a question, and back.
  await page.reload();
  await settled(page);
  const tabTo = async (text) => {
    for (let steps = 0; steps < 60; steps += 1) {
      await page.keyboard.press('Tab');
      const now = await focused();
      if (now.tag !== 'BODY') assert.ok(now.outline, `no focus is seen on ${JSON.stringify(now)}`);
      if (now.text === text) return;
    }
    assert.fail(`${text} is not reached by Tab`);
  };
  await tabTo('Databases');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Databases' }).waitFor();
  assert.equal((await focused()).text, 'Databases', 'the heading has the focus');
  await settled(page);
  await tabTo('recipes');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'recipes' }).waitFor();
  await settled(page);
  await tabTo('Keeping');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 2, name: 'Rename' }).waitFor();
  await settled(page);
  await tabTo('Delete this database');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal((await focused()).text, 'Delete this database', 'the focus is back');
  assert.ok((await told('GET', '/_all_dbs')).includes('recipes'));
  page.calm();
});

test('on a phone the menu opens and closes', async () => {
  const page = await opened({ width: 360, height: 740 });
  const menu = page.getByRole('button', { name: 'Menu' });
  assert.equal(await page.getByRole('link', { name: 'Apps' }).isVisible(), false);
  await menu.click();
  assert.equal(await menu.getAttribute('aria-expanded'), 'true');
  await page.getByRole('link', { name: 'Apps' }).click();
  await page.getByRole('heading', { level: 1, name: 'Apps' }).waitFor();
  assert.equal(await menu.getAttribute('aria-expanded'), 'false');
  page.calm();
});

test('what changes at the hub shows without a reload, and whoever is at a form keeps it', async () => {
  const page = await opened({ at: 'databases' });
  await page.getByLabel('Name').fill('half-typed');
  await told('PUT', '/made-meanwhile');
  await page.getByRole('link', { name: 'made-meanwhile' }).waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'half-typed');
  page.calm();
});

test('home says whether everything is in step', async () => {
  const page = await opened();
  await page.getByText('Everything is in step.').waitFor();
  await page.getByRole('link', { name: 'phone' }).waitFor();
  page.calm();
});
