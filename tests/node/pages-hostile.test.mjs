// Scripts in everything that is shown stay text: names, ids, documents, what errors say.

import assert from 'node:assert/strict';
import { go, opened, picture, settled } from './browser.mjs';
import { faked, pairing, people } from './fake.mjs';
import { lost, overwrite } from './furnish.mjs';
import { ask, eventually, hubs, test, told } from './hubs.mjs';

const SCRIPT = '<img src=x onerror=alert(1)><script>alert(2)</script>"\'><svg onload=alert(3)>';

/** Nothing of it has become an element, and it is there to read. */
async function harmless(page, where) {
  const made = await page.evaluate(() => document.querySelectorAll('main img:not(.qr), main script, main svg, main iframe, main [onerror], main [onload]').length);
  assert.equal(made, 0, where);
  page.calm();
}

test('ids, documents and attachments', async () => {
  await told('PUT', '/scripts');
  const path = `/scripts/${encodeURIComponent(SCRIPT)}`;
  await told('PUT', path, { body: { [SCRIPT]: SCRIPT, _attachments: { [SCRIPT]: { content_type: 'text/html', data: btoa(SCRIPT) } } } });
  const page = await opened({ at: 'databases/scripts' });
  await page.getByRole('link', { name: SCRIPT }).waitFor();
  await harmless(page, 'the list');
  await page.getByRole('link', { name: SCRIPT }).click();
  await page.getByRole('heading', { level: 1, name: SCRIPT }).waitFor();
  await page.getByRole('button', { name: `Save ${SCRIPT} to a file` }).waitFor();
  await harmless(page, 'the document');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Save ${SCRIPT} to a file` }).click()]);
  assert.ok(!download.suggestedFilename().includes('/'));
  await harmless(page, 'the attachment');
  // As a page of its own an attachment is in a world of its own.
  const { headers } = await ask('GET', `${path}/${encodeURIComponent(SCRIPT)}`);
  assert.equal(headers.get('content-security-policy'), 'sandbox');
});

test('places that the address makes up', async () => {
  const page = await opened();
  for (const place of ['databases/', 'databases/scripts/document/', 'devices/', 'people/', 'overwritten/', 'pairing/', 'pair/', '']) {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${place}${encodeURIComponent(SCRIPT)}`);
    await page.waitForFunction(() => document.querySelector('main .page')?.childElementCount > 0);
    await settled(page);
    await harmless(page, place);
  }
  for (const hash of ['#/databases/%', '#/%E0%A4%A', '#//evil.example', '#javascript:alert(1)']) {
    await page.evaluate((text) => { location.hash = text; }, hash);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await harmless(page, hash);
  }
});

test('an edit that lost', async () => {
  await told('POST', '/_hub/dbs', { body: { name: 'clash' } });
  await told('POST', '/_hub/dbs', { body: { name: 'clash' }, hub: hubs[1] });
  const document = encodeURIComponent(SCRIPT);
  for (const [hub, text] of [[hubs[0], SCRIPT], [hubs[1], `later ${SCRIPT}`]]) await told('PUT', `/clash/${document}`, { hub, body: { text } });
  await told('POST', '/_replicate', { body: { source: `${hubs[1]}clash`, target: 'clash' } });
  const page = await opened({ at: 'overwritten' });
  await page.getByRole('link', { name: SCRIPT }).click();
  await page.getByRole('heading', { level: 1, name: SCRIPT }).waitFor();
  await page.locator('td.differs').first().waitFor();
  await harmless(page, 'compared');
});

test('people, devices, shares and reasons', async () => {
  const page = await opened();
  await faked(page, people(SCRIPT));
  for (const place of ['', 'people', `people/${'mifas2ltvnwjikt7bbzp25zi3kkc3pvnqhsv2tslwfr7cqrbnooq'}`, 'devices', `devices/${'b'.repeat(52)}`, 'storage', 'activity', 'settings', 'databases/scripts/sharing']) {
    await go(page, place);
    await page.waitForFunction((text) => {
      const values = [...document.querySelectorAll('input')].map(({ value }) => value);
      return `${document.querySelector('main').textContent} ${values.join(' ')}`.includes(text);
    }, SCRIPT);
    await harmless(page, place);
  }
});

test('pairing', async () => {
  for (const state of ['waiting', 'compare', 'confirm', 'failed', 'done', SCRIPT]) {
    const page = await opened();
    const more = { link: SCRIPT, code: SCRIPT, digits: SCRIPT, name: SCRIPT, reach: [SCRIPT], verified: SCRIPT, error: { sentence: SCRIPT } };
    const { table } = pairing({ role: 'host', kind: 'friend', name: SCRIPT, states: [state], more });
    // A picture that would do more than be seen.
    table['GET /_hub/pairing/p1/qr'] = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(4)"><script>alert(5)</script></svg>';
    await faked(page, table);
    await go(page, 'pairing/p1');
    await harmless(page, state);
  }
});

test('what errors say', async () => {
  const page = await opened();
  await faked(page, { 'GET /_hub/apps': { status: 500, error: SCRIPT, reason: SCRIPT }, 'POST /_hub/codes': { status: 400, error: SCRIPT, reason: SCRIPT } });
  await go(page, 'apps');
  await page.getByText(SCRIPT).first().waitFor();
  const form = page.getByRole('form', { name: 'Make a code' });
  await form.getByLabel('The app’s name').fill('x');
  await form.getByRole('button').click();
  await form.getByRole('alert').filter({ hasText: SCRIPT }).waitFor();
  await harmless(page, 'errors');
});

test('characters that cannot be seen, or turn what follows around, are shown by their numbers', async () => {
  await told('PUT', '/unseen');
  await told('PUT', `/unseen/${encodeURIComponent('abc\u202Egpj.exe\u200B')}`, { body: {} });
  const page = await opened({ at: 'databases/unseen' });
  await page.getByRole('link', { name: 'abc⟨202E⟩gpj.exe⟨200B⟩' }).waitFor();
  await harmless(page, 'unseen');
});
