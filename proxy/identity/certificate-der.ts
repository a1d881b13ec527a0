/**
 * Subject alternative names and public key of a certificate, from its DER. Node's `subjectAltName` is one string that
 * a name with a comma or a NUL can be made to look like two in (CVE-2021-44532); bytes with lengths cannot.
 */

import { BOOLEAN, childrenOf, OBJECT_IDENTIFIER, OCTET_STRING, readDer, SEQUENCE, type DerElement } from './der.ts';

export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  /** `10.0.0.1`, `2001:db8:0:0:0:0:0:1` (eight groups, as `hexGroups` writes them). */
  readonly ips: readonly string[];
}

const NO_NAMES: SubjectAltNames = { uris: [], dns: [], ips: [] };

/** 2.5.29.17 */
const SUBJECT_ALT_NAME = '551d11';
/** RFC 5280 4.2.1.6: the context tags of GeneralName. */
const DNS_NAME = 0x82;
const URI = 0x86;
const IP_ADDRESS = 0x87;
/** [3] of TBSCertificate. */
const EXTENSIONS = 0xa3;

/** Names with anything but visible ASCII in them are no names of anybody: they are left out. */
export function subjectAltNamesOf(der: Uint8Array): SubjectAltNames {
  const value = extensionValue(der, SUBJECT_ALT_NAME);
  const list = value === undefined ? undefined : readDer(der, value.start, value.end);
  if (list === undefined || list.tag !== SEQUENCE) return NO_NAMES;
  const names = { uris: [] as string[], dns: [] as string[], ips: [] as string[] };
  for (const { tag, start, end } of childrenOf(der, list)) {
    const bytes = der.subarray(start, end);
    if (tag === URI) addVisible(names.uris, bytes);
    else if (tag === DNS_NAME) addVisible(names.dns, bytes);
    else if (tag === IP_ADDRESS) addAddress(names.ips, bytes);
  }
  return names;
}

/** SubjectPublicKeyInfo in DER; undefined where there is none. */
export function publicKeyInfoOf(der: Uint8Array): Uint8Array | undefined {
  const fields = certificateFields(der);
  // [0] version is left out in version 1; then serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo.
  const index = fields[0]?.tag === 0xa0 ? 6 : 5;
  const field = fields[index];
  const before = fields[index - 1];
  return field === undefined || before === undefined ? undefined : der.subarray(before.end, field.end);
}

function certificateFields(der: Uint8Array): readonly DerElement[] {
  const certificate = readDer(der, 0);
  const toBeSigned = certificate === undefined ? undefined : readDer(der, certificate.start, certificate.end);
  return toBeSigned === undefined ? [] : [...childrenOf(der, toBeSigned)];
}

/** Content of the OCTET STRING of the extension with this identifier (hexadecimal). */
function extensionValue(der: Uint8Array, identifier: string): DerElement | undefined {
  const wrapped = certificateFields(der).find(({ tag }) => tag === EXTENSIONS);
  const list = wrapped === undefined ? undefined : readDer(der, wrapped.start, wrapped.end);
  if (list === undefined) return undefined;
  for (const extension of childrenOf(der, list)) {
    const [id, second, third] = childrenOf(der, extension);
    if (id?.tag !== OBJECT_IDENTIFIER || Buffer.from(der.subarray(id.start, id.end)).toString('hex') !== identifier) continue;
    const value = second?.tag === BOOLEAN ? third : second;
    return value?.tag === OCTET_STRING ? value : undefined;
  }
  return undefined;
}

function addVisible(to: string[], bytes: Uint8Array): void {
  if (bytes.length > 0 && bytes.every((byte) => byte > 0x20 && byte < 0x7f)) to.push(Buffer.from(bytes).toString('latin1'));
}

function addAddress(to: string[], bytes: Uint8Array): void {
  if (bytes.length === 4) to.push(bytes.join('.'));
  else if (bytes.length === 16) to.push(hexGroups(bytes));
}

function hexGroups(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16));
  return groups.join(':');
}
