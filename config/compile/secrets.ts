/**
 * Certificates, keys and authorities from the Secrets and ConfigMaps of the snapshot: those that the compiled TLS refers
 * to and no others (istio-api.md 3.8, 4.3). One that is not there is left out, and one that cannot be used is passed on
 * as it is: the proxy keeps the last that it could use, and handshakes without one fail.
 */

import type { Resource, ResourceSource } from '../load/types.ts';
import type { FilterChainConfig } from '../runtime/filter-chain.ts';
import type { SecretConfig } from '../runtime/secret.ts';
import type { TrustReference } from '../runtime/tls.ts';
import { originOf } from '../load/types.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import type { Place } from './located.ts';
import { problemAt } from './located.ts';
import type { MaterialFault } from './secret-check.ts';
import { authoritiesFault, pairFault } from './secret-check.ts';
import { CONFIG_MAP, SECRET } from './secret-reference.ts';

export type SecretsInput = Pick<CompileContext, 'snapshot' | 'report'>;

/** By name. */
export function usedSecrets(sides: readonly ConfigParts[], input: SecretsInput): readonly SecretConfig[] {
  const uses = usesOf(sides);
  if (uses.size === 0) return [];
  const materials = materialsOf(input.snapshot);
  return [...uses].flatMap(([name, use]) => secretConfig(name, use, materials, input) ?? []);
}

/** What a secret is used as. A key is passed on only where it is used. */
interface Use {
  identity: boolean;
  trust: boolean;
}

function usesOf(sides: readonly ConfigParts[]): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  const note = (reference: TrustReference | undefined, as: keyof Use): void => {
    if (reference?.kind !== 'secret') return;
    const use = uses.get(reference.name) ?? { identity: false, trust: false };
    use[as] = true;
    uses.set(reference.name, use);
  };
  for (const { listeners, clusters } of sides) {
    for (const { tls } of listeners.flatMap(chainsOf)) {
      for (const identity of tls?.identities ?? []) note(identity, 'identity');
      note(tls?.trust, 'trust');
    }
    for (const { tls } of clusters) {
      note(tls.identity, 'identity');
      note(tls.trust, 'trust');
    }
  }
  return uses;
}

function chainsOf({ chains = [], defaultChain }: ConfigParts['listeners'][number]): readonly FilterChainConfig[] {
  return defaultChain === undefined ? chains : [...chains, defaultChain];
}

/** A Secret or ConfigMap as text by key; an empty value is none. */
interface Material {
  readonly source: ResourceSource;
  /** Of a Secret's body, which says whether anything changed. */
  readonly body: object;
  text(key: string): string | undefined;
  /** As base64, for what is not text. */
  base64(key: string): string | undefined;
}

/** By the name of its SecretConfig. */
type Materials = (name: string) => Material | undefined;

function materialsOf({ secrets, configMaps }: SecretsInput['snapshot']): Materials {
  const byName = new Map<string, () => Material>();
  for (const map of configMaps) byName.set(`${CONFIG_MAP}${fullName(map)}`, () => material(map, (key) => bytesOf(map.spec.data[key], 'utf8')));
  for (const secret of secrets) byName.set(`${SECRET}${fullName(secret)}`, () => material(secret, (key) => bytesOf(secret.spec.data[key], 'base64')));
  return (name) => byName.get(name)?.();
}

function fullName({ metadata }: Resource<unknown>): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function bytesOf(value: string | undefined, encoding: 'utf8' | 'base64'): Buffer | undefined {
  return value === undefined || value === '' ? undefined : Buffer.from(value, encoding);
}

function material({ source, spec }: Resource<object>, bytes: (key: string) => Buffer | undefined): Material {
  return { source, body: spec, text: (key) => bytes(key)?.toString('utf8'), base64: (key) => bytes(key)?.toString('base64') };
}

/** Undefined where the snapshot has nothing of that name. */
function secretConfig(name: string, use: Use, materials: Materials, { report }: SecretsInput): SecretConfig | undefined {
  const own = materials(name);
  const apart = materials(`${name}-cacert`);
  const found = own ?? apart;
  if (found === undefined) return undefined;
  const identity = use.identity ? identityOf(own ?? found, report) : {};
  const trust = use.trust ? trustOf(apart, own ?? found, report) : {};
  return { name, ...identity, ...trust, origin: originOf(found.source) };
}

type Report = SecretsInput['report'];

/** Key layouts: Istio's own before that of kubernetes.io/tls, as in Istio. */
const PAIRS = [
  { certificate: 'cert', key: 'key' },
  { certificate: 'tls.crt', key: 'tls.key' },
] as const;

const AUTHORITIES = ['cacert', 'ca.crt'] as const;
const REVOKED = ['crl', 'ca.crl'] as const;

function identityOf(from: Material, report: Report): Pick<SecretConfig, 'certificateChain' | 'privateKey' | 'ocspStaple'> {
  const keys = PAIRS.find(({ certificate, key }) => from.text(certificate) !== undefined && from.text(key) !== undefined);
  if (keys === undefined) {
    report(problemAt(dataPlace(from), 'warning', 'has no certificate with its key (tls.crt and tls.key, or cert and key): what uses it fails handshakes, or keeps the one it had'));
    return { certificateChain: '', privateKey: '' };
  }
  const pair = { certificate: from.text(keys.certificate) ?? '', key: from.text(keys.key) ?? '' };
  const fault = remembered(pairFaults, from, () => pairFault(pair));
  if (fault !== undefined) reportFault(from, keys[fault.part === 'key' ? 'key' : 'certificate'], fault, report);
  const ocspStaple = from.base64('tls.ocsp-staple');
  return { certificateChain: pair.certificate, privateKey: pair.key, ...(ocspStaple !== undefined && { ocspStaple }) };
}

/** `NAME-cacert` before the authorities in the secret itself, as in Istio. */
function trustOf(apart: Material | undefined, own: Material, report: Report): Pick<SecretConfig, 'authorities' | 'revoked'> {
  const from = [apart, own].find((candidate) => candidate !== undefined && firstKey(candidate, AUTHORITIES) !== undefined) ?? own;
  const key = firstKey(from, AUTHORITIES);
  if (key === undefined) {
    report(problemAt(dataPlace(from), 'warning', 'has no authorities (ca.crt or cacert): what verifies peers with it fails handshakes, or keeps those it had'));
    return { authorities: '' };
  }
  const authorities = from.text(key) ?? '';
  const revokedKey = firstKey(from, REVOKED);
  const revoked = revokedKey && from.text(revokedKey);
  const fault = remembered(trustFaults, from, () => authoritiesFault(authorities, revoked));
  if (fault !== undefined) reportFault(from, fault.part === 'revoked' && revokedKey !== undefined ? revokedKey : key, fault, report);
  return { authorities, ...(revoked !== undefined && { revoked }) };
}

function firstKey(from: Material, keys: readonly string[]): string | undefined {
  return keys.find((key) => from.text(key) !== undefined);
}

function reportFault(from: Material, key: string, { message }: MaterialFault, report: Report): void {
  report(problemAt(keyPlace(from, key), 'warning', `${message}: what uses it fails handshakes, or keeps the one it had`));
}

/** Under `data` or `stringData`, wherever it is written. */
function keyPlace({ source }: Material, key: string): Place {
  const isWritten = (field: string): boolean => {
    const [map, entry] = [source.locate([field]), source.locate([field, key])];
    return map.line !== entry.line || map.column !== entry.column;
  };
  return { source, path: [!isWritten('data') && isWritten('stringData') ? 'stringData' : 'data', key] };
}

function dataPlace({ source }: Material): Place {
  return { source, path: ['data'] };
}

/** Of each body: the loader hands out the same one again while nothing about the resource changed. */
const pairFaults = new WeakMap<object, { readonly fault: MaterialFault | undefined }>();
const trustFaults = new WeakMap<object, { readonly fault: MaterialFault | undefined }>();

function remembered(known: typeof pairFaults, { body }: Material, check: () => MaterialFault | undefined): MaterialFault | undefined {
  let entry = known.get(body);
  if (entry === undefined) known.set(body, (entry = { fault: check() }));
  return entry.fault;
}
