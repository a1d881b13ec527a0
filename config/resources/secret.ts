/** Kubernetes Secret, as far as TLS reads it. Values are secret: never print them in a problem, a log line or a dump. */

import * as z from 'zod';
import type { KindParser } from './kind.ts';
import { documentKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { checked, map, openObject, text } from './schema.ts';

export interface SecretBody {
  /** Default Opaque. */
  readonly type?: string;
  /** Key → base64 value; `stringData` is encoded and merged over `data`, as the API server does. Without prototype. */
  readonly data: Readonly<Record<string, string>>;
}

interface WrittenSecret {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

/** Unlike `text` it does not repeat the value in its message. */
const secretText: Schema<string> = z.string({ error: () => 'must be text (put numbers and booleans in quotes)' });

const base64Text: Schema<string> = checked(secretText, (value, report) => {
  const compact = value.replaceAll(/[\r\n]/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) report.error([], 'is not base64; plain text goes under stringData');
});

const written: Schema<WrittenSecret> = openObject<WrittenSecret>({ type: text, data: map(base64Text), stringData: map(secretText) }, { check: checkTlsKeys });

export const secret: KindParser<SecretBody> = documentKind({ kind: 'Secret', apiVersions: ['v1'] }, written.transform(toBody));

function checkTlsKeys({ type, data = {}, stringData = {} }: WrittenSecret, report: Report): void {
  if (type !== 'kubernetes.io/tls') return;
  for (const key of ['tls.crt', 'tls.key']) {
    if (!Object.hasOwn(data, key) && !Object.hasOwn(stringData, key)) report.error(['data'], `a secret of type kubernetes.io/tls needs the key ${key}`);
  }
}

function toBody({ type, data = {}, stringData = {} }: WrittenSecret): SecretBody {
  const merged = Object.create(null) as Record<string, string>;
  for (const [key, value] of Object.entries(data)) merged[key] = value;
  for (const [key, value] of Object.entries(stringData)) merged[key] = Buffer.from(value, 'utf8').toString('base64');
  return type === undefined ? { data: merged } : { type, data: merged };
}
