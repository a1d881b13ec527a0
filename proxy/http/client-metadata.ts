/** Peer metadata towards the downstream: what a client of the mesh says of itself is read, and answered with our own. */

import { Seen } from '../codec/http1/field-lines.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { Stream } from '../stream/stream.ts';
import { clientWorkload, METADATA_HEADER, METADATA_ID_HEADER, type PeerMetadata } from '../telemetry/peer-metadata.ts';

/** Before the headers that say it are removed; `seen` is of the request's head. True: the client wants to know the same of us. */
export function meetClient({ direction, request, info }: Stream, security: ConnectionSecurity, seen: number): boolean {
  if (direction !== 'inbound') return false;
  const header = (seen & Seen.EdgeControl) === 0 ? undefined : request.headers.get(METADATA_HEADER);
  info.clientWorkload = clientWorkload(security, header);
  return header !== undefined && info.clientWorkload !== undefined;
}

/** `own`: undefined where this workload says nothing. */
export function answerClient(headers: HeaderList, own: PeerMetadata | undefined): void {
  if (own === undefined) return;
  headers.set(METADATA_ID_HEADER, own.id);
  headers.set(METADATA_HEADER, own.value);
}
