/** TLS of connections to upstream hosts: the handshake, and whether the host's certificate is one the configuration trusts. */

import type { Socket } from 'node:net';
import type { ClientTlsConfig } from '../../config/runtime/tls.ts';
import type { TlsEvents } from './tls-events.ts';

/** What one connection adds to the cluster's configuration. */
export interface ClientTlsRequest {
  /** Sent instead of what the configuration and `host` would give. */
  readonly serverName?: string | undefined;
  /** Host of the request without port: the server name where the configuration has none (never for an address), and what checkHost compares. */
  readonly host?: string | undefined;
  /** Offered where the configuration has no list of its own; empty: none. */
  readonly alpn: readonly string[];
}

export class ClientTls {
  readonly config: ClientTlsConfig;

  constructor(config: ClientTlsConfig) {
    this.config = config;
  }

  /** `socket` is connected and nothing has been written or read. The returned function gives up, silently. */
  secure(socket: Socket, request: ClientTlsRequest, events: TlsEvents): () => void {
    void request;
    socket.destroy();
    events.counters.sslSecretsNotReady++;
    events.onFailure({ kind: 'secret-not-ready', reason: 'TLS_error:Secret is not supplied by SDS', sentence: 'secret not ready' });
    return () => {};
  }
}
