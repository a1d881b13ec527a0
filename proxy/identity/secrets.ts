/** Every certificate, key and set of authorities that TLS uses, from the workload's folder, from files that resources name and from the snapshot; and TLS made with them. */

import { randomBytes } from 'node:crypto';
import type { SecretConfig } from '../../config/runtime/secret.ts';
import type { ClientTlsConfig, ServerTlsConfig } from '../../config/runtime/tls.ts';
import type { Clock } from '../base/clock.ts';
import { ClientContexts } from './client-contexts.ts';
import { ClientTls } from './client-tls.ts';
import type { CertificateFacts } from './peer.ts';
import type { IdentitySecret, TrustSecret } from './secret.ts';
import type { WatchFiles } from './secret-files.ts';
import { SecretStore, type Slot } from './secret-store.ts';
import { ServerTls } from './server-tls.ts';
import { SessionCache } from './session-cache.ts';

export interface SecretsDeps {
  readonly clock: Clock;
  readonly watch: WatchFiles;
  /** Plain sentences for the process log: rotations, and secrets that were refused with the reason. */
  readonly onEvent: (level: 'info' | 'warn', sentence: string) => void;
  /** 32 bytes that all worker processes share, so that a session ticket of one is understood by the others; absent: drawn, for this process alone. */
  readonly ticketSeed?: Uint8Array | undefined;
}

/** One certificate in use, for `/certs` and the expiration gauges. */
export interface CertificateView {
  /** `workload`, `kubernetes://NAMESPACE/NAME`, `system`, or the file's path. */
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

/** What the admin pages show of all secrets: no keys. Plain data. */
export interface SecretsView {
  readonly certificates: readonly CertificateView[];
  /** When this was looked at, seconds since the epoch. */
  readonly nowSeconds: number;
  /** By the secret's name: how often a newer version was refused and the older one stayed in use. */
  readonly rotationsFailed: Readonly<Record<string, number>>;
}

export class Secrets {
  readonly #deps: SecretsDeps;
  readonly #store: SecretStore;
  readonly #ticketSeed: Uint8Array;
  readonly #sessions = new SessionCache();
  readonly #contexts = new ClientContexts();

  constructor(deps: SecretsDeps) {
    this.#deps = deps;
    this.#store = new SecretStore(deps);
    this.#ticketSeed = deps.ticketSeed ?? randomBytes(32);
  }

  /** The snapshot's secrets: at start all, then what a reload changed. */
  apply(changed: readonly SecretConfig[], removed: readonly string[]): void {
    for (const name of removed) this.#store.removeSecret(name);
    for (const config of changed) this.#store.setSecret(config);
  }

  /** `--certs DIR`: read when it returns, resolves once its files are watched. Missing ones are waited for. */
  setWorkload(directory: string): Promise<void> {
    return this.#store.openWorkload(directory);
  }

  /** For one filter chain. Secrets are looked up when a handshake needs them; files it names are read now and watched from now on. */
  server(config: ServerTlsConfig): ServerTls {
    for (const reference of config.identities) this.#store.need(reference, 'identity');
    if (config.trust !== undefined) this.#store.need(config.trust, 'trust');
    const { clock } = this.#deps;
    return new ServerTls(config, { clock, store: this.#store, ticketSeed: this.#ticketSeed, onProblem: this.#onProblem });
  }

  /** For one cluster. */
  client(config: ClientTlsConfig): ClientTls {
    if (config.identity !== undefined) this.#store.need(config.identity, 'identity');
    if (config.trust !== undefined) this.#store.need(config.trust, 'trust');
    const { clock } = this.#deps;
    return new ClientTls(config, { clock, store: this.#store, contexts: this.#contexts, sessions: this.#sessions, onProblem: this.#onProblem });
  }

  view(): SecretsView {
    const identities = [...this.#store.identities()];
    const trusts = [...this.#store.trusts()];
    const rotationsFailed: Record<string, number> = {};
    for (const slot of [...identities, ...trusts]) rotationsFailed[slot.name] = (rotationsFailed[slot.name] ?? 0) + slot.rotationsFailed;
    const nowSeconds = this.#deps.clock.wallTime() / 1000;
    return { nowSeconds, certificates: [...identities.flatMap((slot) => viewsOf(slot, 'identity')), ...trusts.flatMap((slot) => viewsOf(slot, 'authority'))], rotationsFailed };
  }

  close(): void {
    this.#store.close();
  }

  readonly #onProblem = (sentence: string): void => this.#deps.onEvent('warn', sentence);
}

function viewsOf({ secret, name }: Slot<IdentitySecret | TrustSecret>, use: CertificateView['use']): readonly CertificateView[] {
  const shown: readonly CertificateFacts[] = secret?.certificates ?? [];
  const path = secret?.path ?? '';
  return shown.map(({ serial, uris, dns, ips, validFrom, validTo }) => ({ name, use, path, serial, uris, dns, ips, validFrom, validTo }));
}
