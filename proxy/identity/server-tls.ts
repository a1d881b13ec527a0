/** TLS of accepted connections: the handshake, and whether the peer's certificate is one the configuration lets in. */

import type { Socket } from 'node:net';
import type { ServerTlsConfig } from '../../config/runtime/tls.ts';
import type { TlsEvents } from './tls-events.ts';

export class ServerTls {
  readonly config: ServerTlsConfig;

  constructor(config: ServerTlsConfig) {
    this.config = config;
  }

  /** `early`: bytes already read from `socket`, copied out of the shared buffer. The returned function gives up, silently. */
  terminate(socket: Socket, early: Buffer, events: TlsEvents): () => void {
    void early;
    socket.destroy();
    events.counters.sslSecretsNotReady++;
    events.onFailure({ kind: 'secret-not-ready', reason: 'TLS_error:Secret is not supplied by SDS', sentence: 'secret not ready' });
    return () => {};
  }
}
