/** `outrider certs`: a local mesh CA and certificates for workloads and gateways, in the files that `--certs` reads. */

import { chmodSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createAuthority, issueCertificate, type CertificatePair, type KeyType } from '../identity/local-ca.ts';
import { readAuthority } from './certs-authority.ts';
import { parseCertificateIdentity, type CertificateIdentity } from './certs-identity.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { CERTS_FLAGS } from './certs-flags.ts';
import { parseFlags, usageError, type UsageError } from './flags.ts';

/** What was asked for. */
interface Order {
  readonly ok: true;
  readonly out: string;
  readonly trustDomain: string;
  readonly identities: readonly CertificateIdentity[];
  readonly keyType: KeyType;
  readonly lifetimeMs: number;
  readonly json: boolean;
}

/** What was written for one identity. */
interface Issued {
  readonly identity: string;
  readonly directory: string;
  /** ISO time. */
  readonly notAfter: string;
}

const DAY_MS = 86_400_000;
const AUTHORITY_LIFETIME_MS = 10 * 365 * DAY_MS;
/** Clocks of other machines may be behind (Istio does the same). */
const BACKDATE_MS = 120_000;

export async function runCerts(argv: readonly string[], { stdout, stderr }: CommandContext): Promise<ExitCode> {
  const order = parseOrder(argv);
  if (!order.ok) {
    stderr(`outrider certs: ${order.message}\nTry "outrider certs --help".\n`);
    return 2;
  }
  try {
    const issued = await issueAll(order, Date.now());
    stdout(order.json ? `${JSON.stringify(issued, undefined, 2)}\n` : issued.map((one) => `${one.directory}: ${one.identity}, valid to ${one.notAfter}\n`).join(''));
    return 0;
  } catch (error) {
    stderr(`outrider certs: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function parseOrder(argv: readonly string[]): Order | UsageError {
  const flags = parseFlags(argv, CERTS_FLAGS);
  if (!flags.ok) return flags;
  const last = (name: string): string | undefined => flags.values.get(name)?.at(-1);
  const out = last('out');
  if (out === undefined) return usageError('say where to: --out DIR');
  if (flags.positionals.length === 0) return usageError('name at least one identity: NAMESPACE/ACCOUNT, spiffe://… or dns:NAME');
  const trustDomain = last('trust-domain') ?? 'cluster.local';
  const identities = flags.positionals.map((word) => parseCertificateIdentity(word, trustDomain));
  const wrong = identities.find((identity) => typeof identity === 'string');
  if (typeof wrong === 'string') return usageError(wrong);
  const lifetimeMs = parseLifetime(last('days'), last('ttl'));
  if (typeof lifetimeMs === 'string') return usageError(lifetimeMs);
  return {
    ok: true,
    out,
    trustDomain,
    identities: identities as readonly CertificateIdentity[],
    keyType: flags.values.has('rsa') ? 'rsa-2048' : 'ecdsa-p256',
    lifetimeMs,
    json: flags.values.has('json'),
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS };

/** Milliseconds, or what is wrong. */
function parseLifetime(days: string | undefined, ttl: string | undefined): number | string {
  if (days !== undefined && ttl !== undefined) return '--days and --ttl say the same: give one of them';
  const text = ttl ?? `${days ?? 365}d`;
  const [, digits, unit = ''] = /^([0-9]{1,9})([smhd])$/.exec(text) ?? [];
  const lifetimeMs = Number(digits) * (UNITS_MS[unit] ?? Number.NaN);
  if (lifetimeMs > 0 && lifetimeMs <= AUTHORITY_LIFETIME_MS) return lifetimeMs;
  return ttl === undefined ? `--days: ${days} is not a number of days from 1 to 3650` : `--ttl: '${ttl}' is not a duration such as 24h, up to 3650d`;
}

async function issueAll({ out, trustDomain, identities, keyType, lifetimeMs }: Order, now: number): Promise<readonly Issued[]> {
  makeFolder(out);
  const authority = await authorityIn(out, trustDomain, keyType, now);
  const notAfter = new Date(Math.min(now + lifetimeMs, authority.validToMs));
  const issued: Issued[] = [];
  for (const { name, folder, subject, uris, dns, ips } of identities) {
    const pair = await issueCertificate(authority.pair, { keyType, notBefore: new Date(now - BACKDATE_MS), notAfter, subject, uris, dns, ips });
    const directory = join(out, folder);
    makeFolder(directory);
    writeWhole(join(directory, 'root-cert.pem'), authority.pair.certificateChain, 0o644);
    writeWhole(join(directory, 'key.pem'), pair.privateKey, 0o600);
    writeWhole(join(directory, 'cert-chain.pem'), pair.certificateChain, 0o644);
    issued.push({ identity: name, directory, notAfter: notAfter.toISOString() });
  }
  return issued;
}

/** The root of an earlier call, else a new one. */
async function authorityIn(out: string, trustDomain: string, keyType: KeyType, now: number): Promise<{ readonly pair: CertificatePair; readonly validToMs: number }> {
  const certificatePath = join(out, 'root-cert.pem');
  const keyPath = join(out, 'root-key.pem');
  const known = readAuthority(certificatePath, keyPath, now);
  if (known !== undefined) return known;
  const notAfter = new Date(now + AUTHORITY_LIFETIME_MS);
  const pair = await createAuthority({ keyType, subject: `O=${trustDomain},CN=outrider local CA`, notBefore: new Date(now - BACKDATE_MS), notAfter });
  writeWhole(keyPath, pair.privateKey, 0o600);
  writeWhole(certificatePath, pair.certificateChain, 0o644);
  return { pair, validToMs: notAfter.getTime() };
}

/** With its parents. Node's own `recursive` never returns where a file system says ENOENT to new folders, as /proc does. */
function makeFolder(path: string): void {
  if (isFolder(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another call may have made it meanwhile.
    if (!isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** By rename: whoever watches never reads half a file. */
function writeWhole(path: string, text: string, mode: number): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, text, { mode });
  // The file may be left over from a call that was cut off, with another mode.
  chmodSync(temporary, mode);
  renameSync(temporary, path);
}
