/** Every certificate, key and set of authorities that TLS uses: from the workload's folder, from files that resources name, from the snapshot. */

import type { SecretConfig } from '../../config/runtime/secret.ts';
import type { ClientTlsConfig, ServerTlsConfig } from '../../config/runtime/tls.ts';
import type { Clock } from '../base/clock.ts';
import { ClientTls } from './client-tls.ts';
import { ServerTls } from './server-tls.ts';

export interface SecretsDeps {
  readonly clock: Clock;
  /** Plain sentences for the process log: rotations, and files that were refused with the reason. */
  readonly onEvent: (level: 'info' | 'warn' | 'error', sentence: string) => void;
  /** 32 bytes that all worker processes share, so that a session ticket of one is understood by the others; absent: drawn, for this process alone. */
  readonly ticketSeed?: Buffer;
}

/** One certificate in use, for `/certs` and the expiration gauges. */
export interface CertificateView {
  /** `workload`, `kubernetes://NAMESPACE/NAME` or the file's path; with `ROOTCA` for authorities as in Istio. */
  readonly name: string;
  readonly use: 'identity' | 'authority';
  /** File or secret it came from. */
  readonly path: string;
  /** Hexadecimal, lower case. */
  readonly serial: string;
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly ips: readonly string[];
  /** Seconds since the epoch. */
  readonly validFrom: number;
  readonly validTo: number;
}

export class Secrets {
  /** Pairs that were refused, so that the old one stayed in use (Envoy's `key_rotation_failed`). */
  rotationsFailed = 0;
  readonly #deps: SecretsDeps;

  constructor(deps: SecretsDeps) {
    this.#deps = deps;
  }

  /** The snapshot's secrets: at start all, then what a reload changed. */
  apply(changed: readonly SecretConfig[], removed: readonly string[]): void {
    void changed;
    void removed;
  }

  /** `--certs DIR`. Resolves once its files have been read a first time; missing ones are waited for. */
  async setWorkload(directory: string): Promise<void> {
    this.#deps.onEvent('info', directory);
  }

  /** For one filter chain; cheap, secrets are read at each handshake. Files it names are watched from now on. */
  server(config: ServerTlsConfig): ServerTls {
    return new ServerTls(config);
  }

  /** For one cluster. */
  client(config: ClientTlsConfig): ClientTls {
    return new ClientTls(config);
  }

  certificates(): readonly CertificateView[] {
    return [];
  }

  close(): void {}
}
