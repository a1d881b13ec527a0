/** Both sides of our TLS on loopback: a server that echoes, and connections to any server, with everything they were told. */

import { connect, type AddressInfo, type Socket } from 'node:net';
import { createAcceptor, SocketWriter } from '../../proxy/base/socket.ts';
import { readBuffer } from '../../proxy/base/read-buffer.ts';
import { systemClock, type Clock } from '../../proxy/base/clock.ts';
import { watchSnapshot } from '../../config/load/watch.ts';
import type { ClientTls, ClientTlsRequest } from '../../proxy/identity/client-tls.ts';
import type { WatchFiles } from '../../proxy/identity/secret-files.ts';
import { Secrets } from '../../proxy/identity/secrets.ts';
import type { ServerTls } from '../../proxy/identity/server-tls.ts';
import type { TlsCounters, TlsFailure } from '../../proxy/identity/tls-events.ts';
import type { ConnectionSecurity } from '../../proxy/stream/connection-security.ts';
import { ListenerStats } from '../../proxy/telemetry/stats.ts';
import { inTime, type TestScope } from './scope.ts';

export const watchFiles: WatchFiles = (paths, onChange) =>
  watchSnapshot(paths, { clock: systemClock, onChange, onUnwatchable: () => {} }, { quietMs: 20, longestWaitMs: 100, pollMs: 5000 });

/** Secrets whose sentences are kept. */
export function testSecrets(t: TestScope, clock: Clock = systemClock, ticketSeed?: Buffer): { readonly secrets: Secrets; readonly sentences: string[] } {
  const sentences: string[] = [];
  const secrets = new Secrets({ clock, watch: watchFiles, onEvent: (level, sentence) => sentences.push(`${level} ${sentence}`), ticketSeed });
  t.teardown(() => secrets.close());
  return { secrets, sentences };
}

/** A listening TLS server that sends back what it gets, and half-closes after its peer. */
export class EchoServer {
  readonly counters: TlsCounters = new ListenerStats();
  readonly secured: ConnectionSecurity[] = [];
  readonly failures: TlsFailure[] = [];
  port = 0;
  readonly #sockets = new Set<Socket>();

  static async listen(t: TestScope, tls: ServerTls): Promise<EchoServer> {
    const echo = new EchoServer();
    const server = createAcceptor((socket) => echo.#accept(socket, tls), () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    echo.port = (server.address() as AddressInfo).port;
    t.teardown(() => {
      server.close();
      for (const socket of echo.#sockets) socket.destroy();
    });
    return echo;
  }

  #accept(socket: Socket, tls: ServerTls): (bytes: Buffer, length: number) => void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let begun = false;
    return (bytes, length) => {
      if (begun) throw new Error('the raw socket was read after TLS had taken it over');
      begun = true;
      tls.terminate(socket, Buffer.from(bytes.subarray(0, length)), {
        counters: this.counters,
        onSecure: (secure, security) => {
          this.secured.push(security);
          return echoTo(secure);
        },
        onFailure: (failure) => this.failures.push(failure),
      });
    };
  }
}

/** What came of one connection. */
export type Outcome = { readonly security: ConnectionSecurity; readonly answer: string } | { readonly failure: TlsFailure };

/** Connects to 127.0.0.1, sends `text`, resolves with what came back when as much has (or the connection ended). */
export function roundTrip(port: number, tls: ClientTls, request: ClientTlsRequest, text = 'ping', counters: TlsCounters = new ListenerStats()): Promise<Outcome> {
  const done = new Promise<Outcome>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, onread: { buffer: readBuffer, callback: () => true } });
    socket.on('connect', () =>
      tls.secure(socket, request, {
        counters,
        onFailure: (failure) => resolve({ failure }),
        onSecure: (secure, security) => {
          let answer = '';
          const writer = new SocketWriter(secure, () => {});
          secure.on('close', () => resolve({ security, answer }));
          secure.on('end', () => secure.end());
          writer.write(Buffer.from(text));
          return (bytes, length) => {
            answer += bytes.latin1Slice(0, length);
            if (answer.length >= text.length) secure.end();
          };
        },
      }),
    );
    socket.on('error', () => {});
  });
  return inTime(done, 'a TLS round trip');
}

function echoTo(socket: Socket): (bytes: Buffer, length: number) => void {
  const writer = new SocketWriter(socket, () => socket.resume());
  socket.on('end', () => socket.end());
  socket.on('error', () => {});
  return (bytes, length) => {
    if (!writer.write(Buffer.from(bytes.subarray(0, length)))) socket.pause();
  };
}
