// How the way into Tor stands, while it comes and goes: Home follows without being loaded again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faults, opened, picture } from './browser.mjs';
import { eventually, hubs, told } from './hubs.mjs';

/** Far longer than any of it takes. */
const LIMIT_MS = 120_000;

/** What Home may say on the way, before a colon and what went wrong. */
const WORDS = [
  'Tor: starting Tor', 'Tor: connecting to the Tor network', 'Tor: publishing where this hub is found', 'Tor: published; trying whether this hub can be reached',
  'about to try again', 'not reachable: this hub could not reach itself through Tor', 'Reachable',
];

/** Home of one hub, and what is said of Tor there: the words, and where there is a bar, how far it is. */
async function home(hub) {
  // Else Home welcomes a new owner and says nothing else.
  await told('PUT', '/notes', { hub });
  const page = await opened({ hub });
  const part = page.locator('section.card', { has: page.getByRole('heading', { name: 'Tor', exact: true }) });
  const read = () => part.evaluate((element) => ({
    text: element.textContent.replace(/^Tor/, '').trim(), value: element.querySelector('progress')?.value, most: element.querySelector('progress')?.max,
  }));
  const seen = [];
  const until = (is) => eventually(async () => {
    const now = await read();
    if (now.text !== seen.at(-1)?.text) seen.push(now);
    return is(now);
  });
  return { page, seen, until };
}

function assertSaid(seen) {
  for (const { text, value, most } of seen) {
    assert.ok(WORDS.some((words) => text.includes(words)), text);
    if (value !== undefined) assert.ok(most === 400 && value >= 0 && value < most, `${text}: ${value} of ${most}`);
  }
}

test('home follows Tor as it comes and goes', { timeout: LIMIT_MS }, async () => {
  const { page, seen, until } = await home(hubs[0]);
  await until(({ text }) => text.includes('no Tor that can be controlled is running'));
  await picture(page, 'tor-none-light');
  await told('PUT', '/seen-no-tor');
  await until(({ text }) => text.startsWith('Reachable'));
  await picture(page, 'tor-reachable-light');
  await told('PUT', '/seen-reachable');
  await until(({ text }) => !text.startsWith('Reachable'));
  await picture(page, 'tor-gone-light');
  assertSaid(seen);
  page.calm();
});

test('a bar says how far it is', { timeout: LIMIT_MS }, async () => {
  const { page, seen, until } = await home(hubs[1]);
  await until(({ value }) => value === 200);
  const bar = page.getByRole('progressbar', { name: 'Tor: publishing where this hub is found' });
  assert.equal(await bar.count(), 1);
  assert.match(seen.at(-1).text, /step 3 of 5$/);
  assert.deepEqual(await faults(page), []);
  await picture(page, 'tor-on-its-way-light');
  assertSaid(seen);
  page.calm();
});
