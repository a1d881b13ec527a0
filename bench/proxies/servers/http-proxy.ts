/** http-proxy as its documentation recommends for throughput: a keep-alive agent. Usage: node http-proxy.js LISTEN UPSTREAM. */

import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

interface HttpProxy {
  web(request: IncomingMessage, response: ServerResponse): void;
  on(event: 'error', listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): void;
}

interface HttpProxyPackage {
  readonly createProxyServer: (options: { readonly target: string; readonly agent: Agent }) => HttpProxy;
}

const [listen, upstream] = process.argv.slice(2).map(Number);
const { createProxyServer } = createRequire(import.meta.url)('http-proxy') as HttpProxyPackage;
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 256 });
const proxy = createProxyServer({ target: `http://127.0.0.1:${upstream}`, agent });
proxy.on('error', (_error, _request, response) => void response.writeHead(502).end());

const server = createServer((request, response) => proxy.web(request, response));
server.keepAliveTimeout = 3_600_000;
server.listen(listen, '127.0.0.1', 4096);
