/** Upstream of the TCP run: answers whatever it is sent with a head, so that one can wait for it, and then bytes without end. Usage: node bulk-server.js PORT. */

import { createServer, type Socket } from 'node:net';
import { bulkWriteBytes } from '../config.ts';

const bytes = Buffer.alloc(bulkWriteBytes, 'x');

createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1', 4096);

function serve(socket: Socket): void {
  const pour = (): void => {
    while (!socket.destroyed && socket.write(bytes)) continue;
  };
  socket.on('error', () => undefined);
  socket.on('drain', pour);
  socket.once('data', () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    pour();
  });
}
