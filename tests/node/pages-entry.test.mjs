// The pages: a link that works once, a session that ends, and other origins that get nothing.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after } from 'node:test';
import { faults, go, launched, link, opened, picture, settled, blank } from './browser.mjs';
import { address, hubs, test, told } from './hubs.mjs';

const { origin } = address();

/** A server of another origin, until the suite ends. */
async function listening(server) {
  after(() => server.close());
  // What is open keeps the suite from ending.
  server.unref();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  after(() => server.closeAllConnections());
}

test('a link works once, and leaves nothing in the address', async () => {
  const url = await link();
  const page = await blank();
  await page.goto(url);
  await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor();
  assert.equal(page.url(), `${origin}/_hub/ui/#/`);
  // It lasts over a reload, and in another tab.
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor();
  const tab = await page.context().newPage();
  await tab.goto(`${origin}/_hub/ui/#/databases`);
  await tab.getByRole('heading', { level: 1, name: 'Databases' }).waitFor();
  page.calm();
  const other = await blank();
  await other.goto(url);
  await other.getByRole('alert').filter({ hasText: 'has been used' }).waitFor();
  await other.getByRole('heading', { level: 1, name: 'Larder' }).waitFor();
  other.calm();
});

test('nobody gets in without one, and is told how', async () => {
  for (const dark of [false, true]) {
    const page = await blank({ dark });
    await page.goto(`${origin}/_hub/ui/`);
    await page.getByText('larder open --browser').waitFor();
    assert.deepEqual(await faults(page), []);
    await picture(page, `outside-${dark ? 'dark' : 'light'}`);
    page.calm();
  }
});

test('whoever logs out is out', async () => {
  const page = await opened({ at: 'settings' });
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByText('You are logged out.').waitFor();
  await page.reload();
  await page.getByText('larder open --browser').waitFor();
  assert.deepEqual((await page.context().cookies()).filter(({ value }) => value), []);
  page.calm();
});

test('a session that has ended says so', async () => {
  const page = await opened();
  await page.context().clearCookies();
  await page.getByText('You have to log in again.').waitFor();
  page.calm();
});

test('scripts do not see the cookie, and no other port gets what a session is', async () => {
  const page = await opened();
  assert.equal(await page.evaluate(() => document.cookie), '');
  const got = [];
  const other = createServer((request, response) => {
    got.push(request.headers);
    response.setHeader('content-type', 'text/html');
    response.end('<title>other</title>');
  });
  await listening(other);
  const theirs = await page.context().newPage();
  await theirs.goto(`http://127.0.0.1:${other.address().port}/`);
  // Browsers do send the cookie to every port: alone it opens nothing.
  const { cookie } = got[0];
  assert.match(cookie ?? '', /LarderPages/);
  assert.equal((await fetch(`${origin}/_hub/status`, { headers: { cookie } })).status, 401);
  assert.equal(await theirs.evaluate(() => localStorage.length), 0);
  // What its pages ask of the hub is refused, with or without that cookie.
  const outcomes = await theirs.evaluate(async (hub) => {
    const one = async (path, options) => {
      try {
        return (await fetch(`${hub}${path}`, { credentials: 'include', ...options })).status;
      } catch {
        return 'kept from it';
      }
    };
    return [await one('/_hub/status'), await one('/_hub/login', { method: 'POST', body: '{}' }), await one('/stolen', { method: 'PUT' })];
  }, origin);
  assert.deepEqual(outcomes, ['kept from it', 'kept from it', 'kept from it']);
  assert.ok(!(await told('GET', '/_all_dbs')).includes('stolen'));
});

test('pages of another origin cannot frame these, nor post to the hub', async () => {
  const page = await opened();
  const forms = [];
  const other = createServer((request, response) => {
    forms.push(request.url);
    response.setHeader('content-type', 'text/html');
    response.end(`<iframe src="${origin}/_hub/ui/" id="framed"></iframe>
      <form method="post" action="${origin}/_hub/dbs" enctype="text/plain"><input name='{"name":"posted","a":"' value='"}'><button>go</button></form>`);
  });
  await listening(other);
  const theirs = await page.context().newPage();
  const refusals = [];
  theirs.on('console', (message) => refusals.push(message.text()));
  await theirs.goto(`http://127.0.0.1:${other.address().port}/`);
  const frame = theirs.frames().find((one) => one !== theirs.mainFrame());
  await theirs.waitForFunction(() => document.readyState === 'complete');
  assert.equal(await frame.locator('#main').count(), 0, 'the pages are in a frame');
  assert.ok(refusals.some((text) => /frame-ancestors|X-Frame-Options/i.test(text)), refusals.join('\n'));
  const [answer] = await Promise.all([theirs.waitForResponse((response) => response.url().endsWith('/_hub/dbs')), theirs.getByRole('button').click()]);
  assert.equal(answer.status(), 403);
  assert.ok(!(await told('GET', '/_all_dbs')).includes('posted'));
});
