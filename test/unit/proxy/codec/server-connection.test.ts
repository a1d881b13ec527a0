/** The end of a downstream connection, over a real socket: what a slow peer has not taken yet still belongs to it. */

import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { createAcceptor } from '../../../../proxy/base/socket.ts';
import type { RequestReceiver, ResponseWriter, ServerCodecOwner } from '../../../../proxy/codec/codec.ts';
import { Http1ServerConnection } from '../../../../proxy/codec/http1/server-connection.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { TestClock } from '../../../support/clock.ts';
import { eventually, type TestScope } from '../../../support/scope.ts';

const TIMEOUTS = { headerMs: 15_000, idleMs: 3_600_000, stallMs: 300_000 };
const CHUNK = Buffer.alloc(64 * 1024, 'x');

const silent: RequestReceiver = {
  onRequestBody: () => {},
  onRequestEnd: () => {},
  onRequestReadDone: () => {},
  onRequestReset: () => {},
  onDownstreamDrain: () => {},
};

interface Served {
  readonly client: Socket;
  readonly connection: Http1ServerConnection;
  readonly writer: ResponseWriter;
}

/** A client that reads nothing and has sent one request with `connection: close`. */
async function served(t: TestScope, clock: TestClock): Promise<Served> {
  const connections: Http1ServerConnection[] = [];
  const writers: ResponseWriter[] = [];
  const owner: ServerCodecOwner = {
    onRequest: (writer) => {
      writers.push(writer);
      return silent;
    },
    onCodecError: () => {},
    onConnectionClosed: () => {},
    capturesConnect: false,
    onOtherProtocol: () => ({ onBytes: () => {}, onEnd: () => {}, onGone: () => {} }),
    draining: false,
  };
  const acceptor = createAcceptor(
    (socket) => {
      const connection = new Http1ServerConnection(socket, owner, createEventClock(clock));
      connections.push(connection);
      return (bytes, length) => connection.onRead(bytes, length);
    },
    () => {},
  );
  acceptor.listen(0, '127.0.0.1');
  await once(acceptor, 'listening');
  const client = connect((acceptor.address() as AddressInfo).port, '127.0.0.1').pause();
  t.teardown(() => {
    client.destroy();
    connections[0]?.destroy();
    acceptor.close();
  });
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const writer = await eventually(() => writers[0], 'the request to be delivered');
  return { client, connection: connections[0] as Http1ServerConnection, writer };
}

/** Writes until the kernel takes no more, then ends; returns the bytes of the body. */
function answer(writer: ResponseWriter): number {
  const chunks = 4096;
  writer.writeHead({ status: 200, headers: new HeaderList([]) }, chunks * CHUNK.length);
  let written = 0;
  do {
    writer.writeBody(CHUNK, 0, CHUNK.length);
    written += CHUNK.length;
  } while (writer.flush() && written < chunks * CHUNK.length);
  writer.writeEnd(undefined);
  return written;
}

t.test('a peer that takes the end of its answer late still gets all of it', async (t) => {
  const clock = new TestClock();
  const { client, connection, writer } = await served(t, clock);
  const body = answer(writer);
  clock.advance(TIMEOUTS.stallMs - 1);
  connection.sweep(clock.now(), TIMEOUTS);
  let received = 0;
  client.on('data', (bytes: Buffer) => (received += bytes.length)).resume();
  await once(client, 'end');
  t.ok(received > body, `${body} bytes of body and a head, got ${received}`);
});

t.test('a peer that takes nothing is cut when the stall timeout ends', async (t) => {
  const clock = new TestClock();
  const { client, connection, writer } = await served(t, clock);
  const body = answer(writer);
  clock.advance(TIMEOUTS.stallMs + 1);
  connection.sweep(clock.now(), TIMEOUTS);
  let received = 0;
  client.on('data', (bytes: Buffer) => (received += bytes.length)).on('error', () => {}).resume();
  await once(client, 'close');
  t.ok(received < body, 'what waited in the proxy is gone');
});
