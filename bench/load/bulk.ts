/**
 * Bulk load process: every connection asks once and reads until the time is over; the bytes are counted and forgotten.
 * Usage: node bulk.js '<BulkJob>'; prints a BulkResult.
 */

import { connect, type Socket } from 'node:net';
import type { BulkJob, BulkResult } from './job.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as BulkJob;

let bytes = 0;
let errors = 0;
let over = false;
const start = performance.now();
const sockets = Array.from({ length: job.connections }, open);
setTimeout(report, job.durationMs);

function open(): Socket {
  const callback = (length: number): boolean => {
    bytes += length;
    return true;
  };
  // A buffer of this size empties a receive buffer in few reads: the load core must not be what limits.
  const socket = connect({ port: job.port, host: '127.0.0.1', onread: { buffer: Buffer.allocUnsafeSlow(512 * 1024), callback } });
  socket.write(`GET / HTTP/1.1\r\nhost: ${job.host}\r\n\r\n`);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (!over) errors += 1;
  });
  return socket;
}

function report(): void {
  over = true;
  const result: BulkResult = { bytes, seconds: (performance.now() - start) / 1000, errors };
  for (const socket of sockets) socket.destroy();
  process.stdout.write(JSON.stringify(result), () => process.exit(0));
}
