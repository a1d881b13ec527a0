/**
 * Own upstream on raw sockets: reads a request with its whole body (Content-Length or chunked), then answers 1 KB, or
 * 100 KB for `/large`. Only as strict as the peers that talk to it. Usage: node server.js PORT ….
 */

import { createServer, type Socket } from 'node:net';
import { largeBodyBytes, smallBodyBytes } from '../config.ts';

const small = answer(smallBodyBytes);
const large = answer(largeBodyBytes);

for (const port of process.argv.slice(2)) createServer({ noDelay: true }, serve).listen(Number(port), '127.0.0.1', 4096);

function serve(socket: Socket): void {
  let head = '';
  let bodyLeft = -1;
  let chunked = false;
  let tail = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    let body = chunk;
    if (bodyLeft < 0) {
      const before = head.length;
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      body = chunk.subarray(end + 4 - before);
      bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    }
    if (chunked) {
      tail = (tail + body.subarray(-5).toString('latin1')).slice(-5);
      if (tail !== '0\r\n\r\n') return;
    } else {
      bodyLeft -= body.length;
      if (bodyLeft > 0) return;
    }
    socket.write(head.startsWith('GET /large ') ? large : small);
    head = '';
    bodyLeft = -1;
    tail = '';
  });
}

function answer(bytes: number): Buffer {
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`);
}
