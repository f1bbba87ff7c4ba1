// IBM's client for a hub, in each of its ways to log in.

import {
  BasicAuthenticator, CloudantV1, CouchdbSessionAuthenticator,
} from '@ibm-cloud/cloudant';
import { address } from './hubs.mjs';

/** A client of the owner, by cookie unless told otherwise; with or without compressed requests. */
export function cloudant({ basic = false, gzip = true, password } = {}) {
  const { origin, username, password: token } = address();
  const credentials = { username, password: password ?? token };
  const authenticator = basic
    ? new BasicAuthenticator(credentials)
    : new CouchdbSessionAuthenticator(credentials);
  const service = new CloudantV1({ authenticator, serviceUrl: origin });
  service.setEnableGzipCompression(gzip);
  return service;
}
