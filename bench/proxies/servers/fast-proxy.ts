/** fast-proxy with its faster client (undici). Usage: node fast-proxy.js LISTEN UPSTREAM. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

type FastProxy = (options: { readonly base: string; readonly undici: { readonly connections: number; readonly pipelining: number } }) => {
  readonly proxy: (request: IncomingMessage, response: ServerResponse, source: string | undefined, options: object) => void;
};

const [listen, upstream] = process.argv.slice(2).map(Number);
const fastProxy = createRequire(import.meta.url)('fast-proxy') as FastProxy;
const { proxy } = fastProxy({ base: `http://127.0.0.1:${upstream}`, undici: { connections: 256, pipelining: 1 } });

const server = createServer((request, response) => proxy(request, response, request.url, {}));
server.keepAliveTimeout = 3_600_000;
server.listen(listen, '127.0.0.1', 4096);
