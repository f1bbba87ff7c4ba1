// What the suites of the pages share: Chromium, a way in, and what must not happen meanwhile.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { address, hubs, told } from './hubs.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const SCREENSHOTS = process.env.LARDER_SCREENSHOTS;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LIMIT_MS = 20_000;

let browser;
after(() => browser?.close());

/** The browser; `--no-sandbox`, since it runs as root where tests do. */
export async function launched() {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  return browser;
}

/** A link that lets one browser in, as `larder open` prints it. */
export async function link(hub = hubs[0]) {
  return (await told('POST', '/_hub/login', { body: {}, hub })).url;
}

/**
 * A window of its own. What pages complain of, what breaks their policy, and dialogs of scripts make
 * `calm()` fail.
 */
export async function blank({ dark = false, width = 1200, height = 900 } = {}) {
  const context = await (await launched()).newContext({ colorScheme: dark ? 'dark' : 'light', viewport: { width, height } });
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  const wrong = [];
  await page.exposeFunction('tellTest', (text) => wrong.push(text));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => window.tellTest(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('console', (message) => {
    // A hub that does not offer something answers 404, and one may be refused.
    const expected = /Failed to load resource: the server responded with a status of [45]/.test(message.text());
    if (message.type() === 'error' && !expected) wrong.push(`console: ${message.text()}`);
  });
  page.calm = () => assert.deepEqual(wrong, []);
  return page;
}

/** A window with the pages open at this place, for instance `databases`. */
export async function opened({ hub = hubs[0], at = '', ...options } = {}) {
  const page = await blank(options);
  await page.goto(await link(hub));
  await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor();
  page.hub = address(hub).origin;
  if (at) await go(page, at);
  return page;
}

/** Goes to a place and waits until what is there is loaded. */
export async function go(page, place) {
  await page.evaluate((hash) => { location.hash = hash; }, `#/${place}`);
  await settled(page);
}

/** Waits until no part of the page is loading. */
export async function settled(page) {
  await page.locator('main [aria-busy=true]').first().waitFor({ state: 'detached' }).catch(() => {});
  await page.waitForFunction(() => document.querySelector('main .page')?.childElementCount > 0 && !document.querySelector('main [aria-busy=true]'));
}

/** What axe finds fault with. */
export async function faults(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`);
}

/** By how many pixels the page is wider than the window. */
export async function overflow(page) {
  return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth));
}

/** Keeps a picture of the page. */
export async function picture(page, name) {
  if (!SCREENSHOTS) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
}

/** Answers the question that is open, typing what it asks to be typed. */
export async function confirm(page, button, typed) {
  const dialog = page.getByRole('dialog');
  if (typed) await dialog.getByLabel(/to confirm/).fill(typed);
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}
