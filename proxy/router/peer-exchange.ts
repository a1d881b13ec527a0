/** Peer metadata towards the upstream: a request tells a host of the mesh whom it comes from, and the answer's own is kept from the downstream. */

import type { ClientTlsConfig } from '../../config/runtime/tls.ts';
import { Seen } from '../codec/http1/field-lines.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import type { HeaderList } from '../stream/header-list.ts';
import { METADATA_HEADER, METADATA_ID_HEADER, type PeerMetadata } from '../telemetry/peer-metadata.ts';

/**
 * Before each attempt is sent. Only over the mesh's own mutual TLS: elsewhere nobody could believe it, and no stranger is told.
 * `again`: an attempt before this one may have left it in the headers.
 */
export function introduce(headers: HeaderList, security: ConnectionSecurity | undefined, { mode }: ClientTlsConfig, own: PeerMetadata | undefined, again: boolean): void {
  if (security?.mutual === true && own !== undefined && (mode === 'ISTIO_MUTUAL' || mode === 'AUTO')) {
    headers.set(METADATA_ID_HEADER, own.id);
    headers.set(METADATA_HEADER, own.value);
  } else if (again) removeMetadata(headers);
}

/** `seen`: of the answer's head. */
export function forgetIntroduction(headers: HeaderList, seen: number): void {
  if ((seen & Seen.EdgeControl) !== 0) removeMetadata(headers);
}

function removeMetadata(headers: HeaderList): void {
  headers.remove(METADATA_ID_HEADER);
  headers.remove(METADATA_HEADER);
}
