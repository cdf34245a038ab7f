// Where the certificates are, and a server that uses them.

import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** A file of `fixtures/certs`. */
export function certificate(name) {
  return path.join(HERE, '../../fixtures/certs', `${name}.pem`);
}

/** Arguments of a server that requires TLS and certificates of its clients. */
export const REQUIRE_TLS = [
  '--tlsMode=requireTLS',
  `--tlsCertificateKeyFile=${certificate('server')}`,
  `--tlsCAFile=${certificate('ca')}`,
  `--tlsCRLFile=${certificate('crl')}`,
];
