/** The newest usable secret behind each reference, and a number that grows whenever one changes. */

import { existsSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { SecretConfig } from '../../config/runtime/secret.ts';
import type { SecretReference, TrustReference } from '../../config/runtime/tls.ts';
import { certificateName } from './peer.ts';
import { parseIdentity, parseTrust, type IdentitySecret, type SecretProblem, type TrustSecret } from './secret.ts';
import { SecretFiles, type WatchFiles } from './secret-files.ts';

export interface SecretStoreDeps {
  readonly watch: WatchFiles;
  readonly onEvent: (level: 'info' | 'warn', sentence: string) => void;
}

/** A place where a secret of one sort is kept. */
export interface Slot<Secret> {
  readonly name: string;
  secret: Secret | undefined;
  /** Why there is none, or why the newest was refused. */
  problem: string;
  /** How often the newest was refused while an older one was in use. */
  rotationsFailed: number;
}

/** Where Linux systems keep the authorities that they trust. */
const SYSTEM_BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', '/etc/ssl/cert.pem'];

export class SecretStore {
  /** Grows whenever what a reference leads to changes. */
  generation = 0;
  readonly #deps: SecretStoreDeps;
  readonly #identities = new Map<string, Slot<IdentitySecret>>();
  readonly #trusts = new Map<string, Slot<TrustSecret>>();
  /** Files of references, by slot: watched as long as the process lives. */
  readonly #files: { close(): void }[] = [];
  #workloadOpened: Promise<unknown> | undefined;

  constructor(deps: SecretStoreDeps) {
    this.#deps = deps;
  }

  identity(reference: SecretReference): IdentitySecret | undefined {
    return this.#identities.get(keyOf(reference))?.secret;
  }

  trust(reference: TrustReference): TrustSecret | undefined {
    return this.#trusts.get(keyOf(reference))?.secret;
  }

  /** Why there is none, as far as is known. */
  whyMissing(reference: TrustReference): string {
    const key = keyOf(reference);
    const noSuch = reference.kind === 'workload' ? 'no folder was given' : 'there is no such secret';
    return this.#identities.get(key)?.problem || this.#trusts.get(key)?.problem || noSuch;
  }

  identities(): Iterable<Slot<IdentitySecret>> {
    return this.#identities.values();
  }

  trusts(): Iterable<Slot<TrustSecret>> {
    return this.#trusts.values();
  }

  /** Opens the files of a reference that nobody asked for before; the first reading is done when it returns. */
  need(reference: TrustReference, use: 'identity' | 'trust'): void {
    if (reference.kind === 'system') this.#needSystem();
    if (reference.kind !== 'files') return;
    const key = keyOf(reference);
    if (use === 'identity' && !this.#identities.has(key)) void this.#openIdentity(key, reference.certificate ?? '', reference.key ?? '');
    if (use === 'trust' && !this.#trusts.has(key)) void this.#openTrust(key, reference.authorities ?? '', reference.revoked);
  }

  /** Resolves once its files are watched; a second call changes nothing. */
  async openWorkload(directory: string): Promise<void> {
    const key = keyOf({ kind: 'workload' });
    this.#workloadOpened ??= Promise.all([
      this.#openIdentity(key, `${directory}/cert-chain.pem`, `${directory}/key.pem`, 'workload'),
      this.#openTrust(key, `${directory}/root-cert.pem`, undefined, 'workload'),
    ]);
    await this.#workloadOpened;
  }

  setSecret(config: SecretConfig): void {
    const { name, certificateChain, privateKey, authorities, revoked, ocspStaple } = config;
    const key = keyOf({ kind: 'secret', name });
    if (certificateChain === undefined || privateKey === undefined) this.#drop(this.#identities, key);
    else this.#take(slotIn(this.#identities, key, name), parseIdentity(name, certificateChain, privateKey, ocspStaple));
    if (authorities === undefined) this.#drop(this.#trusts, key);
    else this.#take(slotIn(this.#trusts, key, name), parseTrust(name, authorities, revoked));
  }

  removeSecret(name: string): void {
    const key = keyOf({ kind: 'secret', name });
    this.#drop(this.#identities, key);
    this.#drop(this.#trusts, key);
  }

  close(): void {
    for (const files of this.#files) files.close();
  }

  #openIdentity(key: string, certificate: string, privateKey: string, name = certificate): Promise<void> {
    const slot = slotIn(this.#identities, key, name);
    return this.#open(slot, [certificate, privateKey], ([chain = '', pem = '']) => parseIdentity(certificate, chain, pem));
  }

  #openTrust(key: string, authorities: string, revoked?: string, name = authorities): Promise<void> {
    const slot = slotIn(this.#trusts, key, name);
    const paths = revoked === undefined ? [authorities] : [authorities, revoked];
    return this.#open(slot, paths, ([roots = '', lists]) => parseTrust(authorities, roots, lists));
  }

  #needSystem(): void {
    const key = keyOf({ kind: 'system' });
    if (this.#trusts.has(key)) return;
    const bundle = SYSTEM_BUNDLES.find((path) => existsSync(path));
    if (bundle !== undefined) void this.#openTrust(key, bundle, undefined, 'system');
    else this.#take(slotIn(this.#trusts, key, 'system'), parseTrust('node', rootCertificates.join('\n')));
  }

  #open<Secret extends IdentitySecret | TrustSecret>(slot: Slot<Secret>, paths: readonly string[], parse: (contents: readonly string[]) => Secret | SecretProblem): Promise<void> {
    const files = new SecretFiles<Secret>({
      paths,
      parse,
      watch: this.#deps.watch,
      onSecret: (secret) => this.#take(slot, secret),
      onProblem: (problem) => this.#take(slot, { problem }),
    });
    this.#files.push(files);
    return files.open();
  }

  #take<Secret extends IdentitySecret | TrustSecret>(slot: Slot<Secret>, newest: Secret | SecretProblem): void {
    const { onEvent } = this.#deps;
    const before = slot.secret;
    if ('problem' in newest) {
      slot.problem = newest.problem;
      if (before !== undefined) slot.rotationsFailed++;
      onEvent('warn', `secret ${slot.name}: ${newest.problem}; ${before === undefined ? 'it is not ready' : 'the one before stays in use'}`);
      return;
    }
    slot.problem = '';
    if (before?.digest === newest.digest) return;
    slot.secret = newest;
    this.generation++;
    const [first] = newest.certificates;
    if (first === undefined) return;
    const what = 'privateKey' in newest ? `certificate of ${certificateName(first)}, serial ${first.serial}` : `${newest.certificates.length} authorities, the first ${first.subject}`;
    onEvent('info', `secret ${slot.name}: ${what}, valid to ${new Date(first.validTo * 1000).toISOString()}, ${before === undefined ? 'is ready' : 'takes the place of the one before for new connections'}`);
  }

  #drop<Secret>(slots: Map<string, Slot<Secret>>, key: string): void {
    if (slots.delete(key)) this.generation++;
  }
}

/** What a handshake waits for, and why it is not there: `kubernetes://default/shop (there is no such secret)`. */
export function missingSecret(reference: TrustReference, store: SecretStore): string {
  return `${describeReference(reference)} (${store.whyMissing(reference)})`;
}

/** For sentences: `the workload certificate (--certs)`, `kubernetes://default/shop`, `/etc/certs/tls.crt`. */
function describeReference(reference: TrustReference): string {
  switch (reference.kind) {
    case 'workload':
      return 'the workload identity (--certs)';
    case 'secret':
      return reference.name;
    case 'files':
      return reference.certificate ?? reference.authorities ?? 'files without a name';
    case 'system':
      return "the system's authorities";
    default:
      return reference satisfies never;
  }
}

function keyOf(reference: TrustReference): string {
  switch (reference.kind) {
    case 'secret':
      return `secret ${reference.name}`;
    case 'files':
      return `files ${JSON.stringify([reference.certificate, reference.key, reference.authorities, reference.revoked])}`;
    default:
      return reference.kind;
  }
}

function slotIn<Secret>(slots: Map<string, Slot<Secret>>, key: string, name: string): Slot<Secret> {
  let slot = slots.get(key);
  if (slot === undefined) {
    slot = { name, secret: undefined, problem: 'it has not been read yet', rotationsFailed: 0 };
    slots.set(key, slot);
  }
  return slot;
}
