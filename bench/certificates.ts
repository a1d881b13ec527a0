/** The certificates of one run, the same for every peer: ECDSA P-256, made by our own `outrider certs`. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { gatewayHost } from './config.ts';
import { outriderMain } from './measure/places.ts';

/** Files of one identity. */
export interface Certificate {
  /** As `--certs` takes it: `cert-chain.pem`, `key.pem`, `root-cert.pem`. */
  readonly folder: string;
  readonly chain: string;
  readonly key: string;
}

export interface Certificates {
  /** The authority that all of them come from. */
  readonly root: string;
  /** Shown to the load, for `gatewayHost`. */
  readonly gateway: Certificate;
  /** Of the first and of the second sidecar of a hop. */
  readonly client: Certificate;
  readonly server: Certificate;
}

/** Service accounts of the two workloads, in namespace `default`. */
export const clientAccount = 'client';
export const serverAccount = 'bench';

/** SPIFFE identity of a service account of namespace `default`. */
export function spiffeIdentity(account: string): string {
  return `spiffe://cluster.local/ns/default/sa/${account}`;
}

/** Issues all of them into `folder`. */
export function issueCertificates(folder: string): Certificates {
  execFileSync(process.execPath, [outriderMain, 'certs', '--out', folder, `default/${clientAccount}`, `default/${serverAccount}`, `dns:${gatewayHost}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    root: join(folder, 'root-cert.pem'),
    gateway: certificate(join(folder, gatewayHost)),
    client: certificate(join(folder, 'default', clientAccount)),
    server: certificate(join(folder, 'default', serverAccount)),
  };
}

function certificate(folder: string): Certificate {
  return { folder, chain: join(folder, 'cert-chain.pem'), key: join(folder, 'key.pem') };
}
