/** The end of a downstream connection, over a real socket: slow peers, idle ones, and those that left unseen. */

import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { createAcceptor } from '../../../../proxy/base/socket.ts';
import type { DownstreamReset, RequestReceiver, ResponseWriter, ServerCodecOwner } from '../../../../proxy/codec/codec.ts';
import { Http1ServerConnection } from '../../../../proxy/codec/http1/server-connection.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { TestClock } from '../../../support/clock.ts';
import { eventually, type TestScope } from '../../../support/scope.ts';

const TIMEOUTS = { headerMs: 15_000, idleMs: 3_600_000, stallMs: 300_000 };
const CHUNK = Buffer.alloc(64 * 1024, 'x');

const IDLE_DRAIN_MS = 6000;
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LAST_GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

interface Served {
  readonly client: Socket;
  /** The client has read FIN. */
  readonly ended: Promise<unknown>;
  readonly connection: Http1ServerConnection;
  /** Of each request in turn. */
  readonly writers: readonly ResponseWriter[];
  readonly resets: readonly DownstreamReset[];
}

/** A client that reads nothing, and has sent `bytes`. */
async function served(t: TestScope, clock: TestClock, bytes: string): Promise<Served> {
  const connections: Http1ServerConnection[] = [];
  const writers: ResponseWriter[] = [];
  const resets: DownstreamReset[] = [];
  const receiver: RequestReceiver = {
    onRequestBody: () => {},
    onRequestEnd: () => {},
    onRequestReadDone: () => {},
    onRequestReset: (reason) => resets.push(reason),
    onDownstreamDrain: () => {},
  };
  const owner: ServerCodecOwner = {
    onRequest: (writer) => {
      writers.push(writer);
      return receiver;
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
  client.on('error', () => {});
  const ended = new Promise((resolve) => client.once('end', resolve));
  client.write(bytes);
  const connection = await eventually(() => connections[0], 'the connection');
  if (bytes !== '') await eventually(() => writers[0], 'the request to be delivered');
  return { client, ended, connection, writers, resets };
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
  const { client, connection, writers } = await served(t, clock, LAST_GET);
  const body = answer(writers[0] as ResponseWriter);
  clock.advance(TIMEOUTS.stallMs - 1);
  connection.sweep(clock.now(), TIMEOUTS);
  let received = 0;
  client.on('data', (bytes: Buffer) => (received += bytes.length)).resume();
  await once(client, 'end');
  t.ok(received > body, `${body} bytes of body and a head, got ${received}`);
});

t.test('a peer that takes nothing is cut when the stall timeout ends', async (t) => {
  const clock = new TestClock();
  const { client, connection, writers } = await served(t, clock, LAST_GET);
  const body = answer(writers[0] as ResponseWriter);
  clock.advance(TIMEOUTS.stallMs + 1);
  connection.sweep(clock.now(), TIMEOUTS);
  let received = 0;
  client.on('data', (bytes: Buffer) => (received += bytes.length)).resume();
  await once(client, 'close');
  t.ok(received < body, 'what waited in the proxy is gone');
});

/** Answers 200 without a body and returns all that the client has read so far. */
async function answered(client: Socket, writer: ResponseWriter | undefined): Promise<string> {
  writer?.writeHead({ status: 200, headers: new HeaderList([]) }, 0);
  writer?.writeEnd(undefined);
  writer?.flush();
  let text = '';
  client.on('data', (bytes: Buffer) => (text += bytes.toString('latin1'))).resume();
  await eventually(() => text.endsWith('\r\n\r\n'), 'the answer');
  return text;
}

t.test('an idle connection that never carried a request ends when its time is up', async (t) => {
  const clock = new TestClock();
  const { client, ended, connection } = await served(t, clock, '');
  clock.advance(TIMEOUTS.idleMs);
  connection.sweep(clock.now(), TIMEOUTS);
  clock.advance(1);
  connection.sweep(clock.now(), TIMEOUTS);
  client.resume();
  await ended;
});

t.test('one that did is drained: a request that crosses with its end is answered, and is the last', async (t) => {
  const clock = new TestClock();
  const { client, ended, connection, writers } = await served(t, clock, GET);
  t.notMatch(await answered(client, writers[0]), /connection: close/);
  clock.advance(TIMEOUTS.idleMs + 1);
  connection.sweep(clock.now(), TIMEOUTS);
  clock.advance(IDLE_DRAIN_MS - 1);
  connection.sweep(clock.now(), TIMEOUTS);
  client.write(GET);
  await eventually(() => writers[1], 'the late request to be delivered');
  t.match(await answered(client, writers[1]), /\r\nconnection: close\r\n/);
  client.resume();
  await ended;
});

t.test('… and without a late request it ends after the drain', async (t) => {
  const clock = new TestClock();
  const { client, ended, connection, writers } = await served(t, clock, GET);
  await answered(client, writers[0]);
  clock.advance(TIMEOUTS.idleMs + IDLE_DRAIN_MS + 1);
  connection.sweep(clock.now(), TIMEOUTS);
  client.resume();
  await ended;
});

t.test('a client that resets while its upload is held back is noticed', async (t) => {
  const clock = new TestClock();
  const { client, connection, writers, resets } = await served(t, clock, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n');
  writers[0]?.pauseRequest();
  for (let i = 0; i < 200; i++) client.write(CHUNK);
  connection.sweep(clock.now(), TIMEOUTS);
  clock.advance(2 * TIMEOUTS.stallMs);
  connection.sweep(clock.now(), TIMEOUTS);
  await new Promise((resolve) => setImmediate(resolve));
  t.same(resets, [], 'a client that is there may be held back for any time');
  client.resetAndDestroy();
  await eventually(() => {
    connection.sweep(clock.now(), TIMEOUTS);
    return resets.length > 0;
  }, 'the reset to be seen');
  t.same(resets, ['remote']);
});
