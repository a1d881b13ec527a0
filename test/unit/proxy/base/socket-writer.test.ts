/** Writes past net's queue: when bytes have left, as libuv reports it. */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import t from 'tap';
import { SocketWriter } from '../../../../proxy/base/socket.ts';

/** What net hands to its handle before Node 26. */
class Request {
  declare oncomplete: (this: Request, status: number) => void;
}

class Handle {
  /** Bytes that wait after the call. */
  writeQueueSize = 0;
  /** Handed over and not reported yet, the oldest first. */
  readonly unreported: Request[] = [];

  writeBuffer(request: Request): number {
    this.unreported.push(request);
    return 0;
  }
}

/** A socket whose kernel takes what the test says. */
class ScriptedSocket extends EventEmitter {
  destroyed = false;
  readonly writableLength = 0;
  readonly _handle = new Handle();

  /** Net's own write. */
  write(): boolean {
    this._handle.writeBuffer(new Request());
    return true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  report(status = 0): void {
    this._handle.unreported.shift()?.oncomplete(status);
  }
}

function scene(): { socket: ScriptedSocket; writer: SocketWriter; drains: () => number } {
  const socket = new ScriptedSocket();
  let drains = 0;
  const writer = new SocketWriter(socket as unknown as Socket, () => drains++);
  // The first public write of the process shows what requests are like.
  writer.write(Buffer.from('first'));
  socket._handle.unreported.length = 0;
  return { socket, writer, drains: () => drains };
}

t.test('what waits is drained once', async (t) => {
  const { socket, writer, drains } = scene();
  socket._handle.writeQueueSize = 5;
  t.equal(writer.write(Buffer.from('one')), false);
  t.equal(writer.write(Buffer.from('two')), false);
  t.ok(writer.pending);
  socket.report();
  t.equal(drains(), 0);
  socket.report();
  t.equal(drains(), 1);
  t.notOk(writer.pending);
});

t.test('what the kernel took whole at the second try is reported late', async (t) => {
  const { socket, writer, drains } = scene();
  t.equal(writer.write(Buffer.from('taken')), true);
  socket._handle.writeQueueSize = 5;
  t.equal(writer.write(Buffer.from('waits')), false);
  socket.report();
  t.equal(drains(), 0, 'not for the one before: the buffer of the one that waits would be used again');
  t.ok(writer.pending);
  socket.report();
  t.equal(drains(), 1);
  t.notOk(writer.pending);
  socket._handle.writeQueueSize = 0;
  t.equal(writer.write(Buffer.from('taken')), true);
  socket.report();
  t.equal(drains(), 1, 'nobody waits for a drain');
});

t.test('a write that fails ends the connection', async (t) => {
  const { socket, writer, drains } = scene();
  socket._handle.writeQueueSize = 5;
  t.equal(writer.write(Buffer.from('lost')), false);
  socket.report(-32);
  t.ok(socket.destroyed);
  t.equal(drains(), 0);
});
