/** Who may talk to the admin server: a process on this host that meant to, never a web page that a browser here happens to show. */

import type { IncomingMessage } from 'node:http';
import { textAnswer, type AdminAnswer } from './page.ts';

/** The refusal for a request that may not be answered, or undefined. */
export function refuse(request: IncomingMessage): AdminAnswer | undefined {
  if (!isLoopbackAddress(request.socket.remoteAddress ?? '')) return textAnswer('the admin server answers loopback only\n', 403);
  const host = request.headers.host ?? '';
  // DNS rebinding: a page of evil.example whose name now resolves to 127.0.0.1 still sends its own name.
  if (!isLoopbackName(hostName(host))) return textAnswer('Host must be localhost or a loopback address\n', 403);
  if (isForeignPage(request, host)) return textAnswer('requests from another origin are refused\n', 403);
  return undefined;
}

/** A browser says from which page a request comes; only our own pages, and programs, which say nothing, may ask. */
function isForeignPage(request: IncomingMessage, host: string): boolean {
  const { origin } = request.headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return true;
  const site = request.headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site';
}

/** Host without its port: `localhost:15000` → `localhost`, `[::1]:15000` → `[::1]`. */
function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || isLoopbackV4(name);
}

function isLoopbackAddress(address: string): boolean {
  return address === '::1' || isLoopbackV4(address.replace(/^::ffff:/i, ''));
}

function isLoopbackV4(address: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
}
