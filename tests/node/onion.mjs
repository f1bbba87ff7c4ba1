// A PouchDB that replicates with a hub's onion service through Tor's SOCKS port, showing a certificate.
//
// node onion.mjs URL SOCKS-ADDRESS CERTIFICATE-FILE KEY-FILE

import { readFileSync } from 'node:fs';
import fetch from 'node-fetch';
import http from 'pouchdb-adapter-http';
import memory from 'pouchdb-adapter-memory';
import PouchDB from 'pouchdb-core';
import replication from 'pouchdb-replication';
import { SocksProxyAgent } from 'socks-proxy-agent';

const [url, socks, certificate, key] = process.argv.slice(2);

// `socks5h`: names are Tor's to find.
const agent = new SocksProxyAgent(`socks5h://${socks}`);
const secret = {
  cert: readFileSync(certificate),
  key: readFileSync(key),
  // The hub is known by its address; who answers there shows a certificate of its own making.
  rejectUnauthorized: false,
};
const connect = agent.connect.bind(agent);
agent.connect = (request, options) => connect(request, { ...options, ...secret });

PouchDB.plugin(http).plugin(memory).plugin(replication);
const local = new PouchDB('onion', { adapter: 'memory' });
const remote = new PouchDB(url, { fetch: (address, options) => fetch(address, { ...options, agent }) });

const pulled = await local.replicate.from(remote);
await local.put({ _id: 'pushed', text: 'by PouchDB' });
const pushed = await local.replicate.to(remote);
console.log(`${pulled.docs_written} pulled, ${pushed.docs_written} pushed`);
process.exit(0);
