/** A consumer that throws, which only a bug does: the exchange ends as a local reset, once, and the socket goes. */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import t from 'tap';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { Framing, type ResponseReceiver, type UpstreamReset } from '../../../../proxy/codec/codec.ts';
import { Http1ClientConnection } from '../../../../proxy/codec/http1/client-connection.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';

class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly writableLength = 0;
  write(): boolean {
    return true;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

t.test('abandon', (t) => {
  const socket = new FakeSocket();
  const resets: UpstreamReset[] = [];
  const closed: unknown[] = [];
  const receiver: ResponseReceiver = {
    onInformational() {},
    onResponseHead() {
      throw new Error('bug');
    },
    onResponseBody() {},
    onResponseEnd() {},
    onResponseReadDone() {},
    onResponseReset: (reason) => resets.push(reason),
    onUpstreamDrain() {},
  };
  const owner = { onIdle: () => t.fail('not reusable'), onClosed: (connection: unknown) => closed.push(connection) };
  const connection = new Http1ClientConnection(socket as unknown as Socket, owner, createEventClock());
  const request = { method: 'GET', path: '/', originalPath: undefined, authority: 'a', scheme: 'http', headers: new HeaderList() };
  connection.start(receiver, request, Framing.None, false);
  const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  t.throws(() => connection.onRead(answer, answer.length), { message: 'bug' });
  connection.abandon();
  connection.abandon();
  t.same(resets, ['local_reset']);
  t.same(closed, [connection]);
  t.ok(socket.destroyed);
  t.end();
});
