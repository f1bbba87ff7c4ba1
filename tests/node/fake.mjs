// A fake of what the pairing, people and sharing endpoints say, between the pages and a hub: for every state
// that a page can show, whatever the hub is up to. Only these tests have it.

const QR = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29"><path fill="#fff" d="M0 0h29v29H0z"/><path d="M4 4h7v7H4zM18 4h7v7h-7zM4 18h7v7H4zM13 13h3v3h-3z"/></svg>';

/** Answers by the table `{ 'GET /_hub/requests': value or function of the body }`; returns what was asked. */
export async function faked(page, table) {
  const asked = [];
  await page.route((url) => url.pathname.startsWith('/_hub/') && !url.pathname.startsWith('/_hub/ui'), async (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname;
    const entry = table[`${request.method()} ${path}`] ?? Object.entries(table).find(([pattern]) => pattern.endsWith('*') && `${request.method()} ${path}`.startsWith(pattern.slice(0, -1)))?.[1];
    if (entry === undefined) return route.fallback();
    const sent = request.headers()['content-type'] === 'application/json' ? request.postDataJSON() : request.postDataBuffer();
    if (request.method() !== 'GET') asked.push({ method: request.method(), path, sent });
    const given = typeof entry === 'function' ? entry(sent, path) : entry;
    if (given?.status >= 400) return route.fulfill({ status: given.status, json: { error: given.error, reason: given.reason } });
    if (typeof given === 'string') return route.fulfill({ status: 200, contentType: 'image/svg+xml', body: given });
    return route.fulfill({ status: 200, json: given });
  });
  return asked;
}

/** A pairing that goes through the states which `next()` steps to. */
export function pairing({ role, kind, name = 'phone', states, more = {} }) {
  let at = 0;
  const session = () => ({
    id: 'p1', role, kind, state: states[at], expires_at: Date.now() + 600_000, name: '', share: [], reach: ['httpkey://127.0.0.1:6984/ed25519publickey:aaaa/'],
    link: role === 'host' ? 'larder:pair#abcdef0123456789' : undefined, code: role === 'host' ? '7-crossover-clockwork' : undefined,
    digits: states[at] === 'compare' ? '042917' : undefined,
    peer: ['compare', 'confirm', 'confirmed', 'done'].includes(states[at]) ? { key: 'd2k6g4auqmes5pe242y35awwmmsckrpl3p7sbe4uocncrume3hgq', name, reach: [], share: [{ database: 'recipes', right: 'read' }], warnings: ['This name looks like that of phone.'] } : undefined,
    error: states[at] === 'failed' ? { code: 'digits', sentence: 'The digits were not the same.' } : undefined,
    verified: 'scanned', ...more,
  });
  const next = () => {
    at = Math.min(at + 1, states.length - 1);
    return session();
  };
  return {
    next,
    table: {
      'POST /_hub/pairing': session, 'POST /_hub/pairing/join': session, 'GET /_hub/pairing/p1': session, 'GET /_hub/pairing/p1/qr': QR,
      'POST /_hub/pairing/p1/confirm': next,
      'POST /_hub/pairing/p1/refuse': () => {
        states.splice(at + 1, states.length, 'refused');
        return next();
      },
    },
  };
}

/** People, requests, invitations and shares, every name among them this text. */
export function people(text = 'Anna') {
  const key = 'mifas2ltvnwjikt7bbzp25zi3kkc3pvnqhsv2tslwfr7cqrbnooq';
  const at = 1_795_255_200_000;
  return {
    'GET /_hub/friends': { friends: [{ key, name: text, reach: [`httpkey://x/${text}`], added_at: at, verified: 'scanned', blocked: false, profile: { name: `${text}!`, seq: 1, devices: [{}] } }] },
    'GET /_hub/devices': {
      devices: [
        { key: 'a'.repeat(52), name: text, this: true, standing: 'listed', reach: [], added_at: at },
        { key: 'b'.repeat(52), name: `${text} 2`, standing: 'suspended', reach: [text], added_at: at, added_by: text, removal: { by: [text], at, mutual: true } },
      ],
      alarms: [{ code: 'mutual_removal', sentence: `Two devices have removed each other: ${text}` }],
    },
    'GET /_hub/requests': { open: true, requests: [{ id: 'r1', key, name: text, message: text, reach: [], at, warnings: [text] }] },
    'GET /_hub/invitations': { invitations: [{ id: 'i1', from: { key, name: text }, name: text, right: 'write', documents: 5, bytes: 1000, declined: false, state: 'open', sentence: text }] },
    'GET /_hub/shares': { shares: [{ place: 'recipes', with: { name: text, kind: 'friend', key }, right: 'read', in_step: true }, { place: `recipes/${text}`, with: { name: text, kind: 'friend', key }, right: 'read', copy: text }] },
    'GET /_hub/reads': { reads: [{ day: '2026-11-21', who: { key, name: text }, database: text, view: text, documents: 3, reads: 1, first: at, last: at + 1 }] },
    'GET /_hub/profile': { name: text, seq: 1, devices: [] },
    'GET /_hub/quotas': {
      quotas: [{ who: key, name: text, db: 'x', database: text, bytes_max: 5_000_000 }], friend_bytes_max: 1e9, database_bytes_max: null,
      charged: [{ who: key, name: text, bytes: 1234, databases: {} }], postponed: [{ name: text, database: text, documents: [text] }],
    },
    'GET /_hub/rules': { rules: [{ device: 'a'.repeat(52), this: true, skip: false, selector: { a: 1 }, words: text }] },
    'GET /_hub/why': { in_step: false, reasons: [{ code: 'x', sentence: text, doc: text }] },
  };
}
