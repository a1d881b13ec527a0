/** VirtualService `headers` as operations in the order Envoy applies them (istio-api.md 2.12). */

import type { HeaderOperations, Headers } from '../resources/virtual-service/types.ts';
import type { HeaderOpsConfig, HeadersConfig } from '../runtime/route.ts';
import { compareText } from './order.ts';

/** Undefined where nothing is written. `host` and `:authority` become the authority; other pseudo headers are never touched. */
export function headersConfig({ request, response }: Headers): HeadersConfig | undefined {
  const requestOps = operations(request);
  const responseOps = operations(response);
  const authority = writtenAuthority(request?.set) ?? writtenAuthority(request?.add);
  if (requestOps === undefined && responseOps === undefined && authority === undefined) return undefined;
  return {
    ...(requestOps !== undefined && { request: requestOps }),
    ...(responseOps !== undefined && { response: responseOps }),
    ...(authority !== undefined && { authority }),
  };
}

function operations(written: HeaderOperations | undefined): HeaderOpsConfig | undefined {
  const remove = (written?.remove ?? []).map((name) => name.toLowerCase()).filter(isOrdinary);
  const set = headerEntries(written?.set);
  const add = headerEntries(written?.add);
  return remove.length + set.length + add.length === 0 ? undefined : { remove, set, add };
}

/** In key order as written, which is how Istio sorts them. */
function headerEntries(map: Readonly<Record<string, string>> | undefined): readonly (readonly [string, string])[] {
  const entries = Object.entries(map ?? {}).sort(([a], [b]) => compareText(a, b));
  return entries.map(([name, value]) => [name.toLowerCase(), value] as const).filter(([name]) => isOrdinary(name));
}

function writtenAuthority(map: Readonly<Record<string, string>> | undefined): string | undefined {
  return headerEntriesOf(map).find(([name]) => name === 'host' || name === ':authority')?.[1];
}

function headerEntriesOf(map: Readonly<Record<string, string>> | undefined): readonly (readonly [string, string])[] {
  return Object.entries(map ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
}

function isOrdinary(name: string): boolean {
  return name !== 'host' && !name.startsWith(':');
}
