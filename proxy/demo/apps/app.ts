/** The demo's applications: a plain HTTP server each, and the client with which one calls another through its own proxy. */

import { Agent, createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

export interface AppRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** At most 64 KiB; longer bodies are answered 413. */
  readonly body: string;
}

export interface AppAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export type AppHandler = (request: AppRequest) => Promise<AppAnswer>;

export interface App {
  /** Stops listening and cuts what is open. */
  stop(): void;
}

/** A call to another service of the mesh and what came back; status 0 when nothing did. */
export interface MeshAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Calls `path` of a service by its mesh name, through the caller's own proxy. */
export type MeshCall = (service: string, path: string, headers: Readonly<Record<string, string>>) => Promise<MeshAnswer>;

const BODY_LIMIT_BYTES = 64 * 1024;
/** Every bookinfo service listens on this port of the mesh. */
const SERVICE_PORT = 9080;

/** What an application must pass on for traces and routes to span hops; proxies cannot know which call belongs to which. */
const PROPAGATED = ['x-request-id', 'traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags', 'end-user', 'user-agent'];

/** Listens on 127.0.0.1. Rejects when the port is taken. */
export async function startApp(port: number, handler: AppHandler): Promise<App> {
  const server = createServer((request, response) => void respond(request, response, handler));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function json(value: unknown, status = 200): AppAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(value)}\n` };
}

export function notFound(): AppAnswer {
  return json({ error: 'not found' }, 404);
}

/** The headers of an incoming request that its own calls must carry. */
export function propagated(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of PROPAGATED) {
    const value = headers[name];
    if (typeof value === 'string') kept[name] = value;
  }
  return kept;
}

/** A client whose every call goes to the caller's proxy on 127.0.0.1, which reads the service's name from Host. */
export function meshClient(outboundPort: () => number): MeshCall {
  const agent = new Agent({ keepAlive: true });
  const call = (service: string, path: string, headers: Readonly<Record<string, string>>): Promise<MeshAnswer & { readonly retry: boolean }> =>
    new Promise((resolve) => {
      const options = { agent, host: '127.0.0.1', port: outboundPort(), path, headers: { ...headers, host: `${service}:${SERVICE_PORT}` } };
      const request = httpRequest(options, (response) => {
        readBody(response).then(
          (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body, retry: false }),
          () => resolve({ status: 0, headers: {}, body: '', retry: false }),
        );
      });
      // A kept connection may be closed by the other side just as it is used; nothing was answered, so asking again is safe.
      request.on('error', () => resolve({ status: 0, headers: {}, body: '', retry: request.reusedSocket }));
      request.end();
    });
  return async (service, path, headers) => {
    const first = await call(service, path, headers);
    return first.retry ? call(service, path, headers) : first;
  };
}

async function respond(request: IncomingMessage, response: ServerResponse, handler: AppHandler): Promise<void> {
  const answer = await answerTo(request, handler);
  if (response.destroyed) return;
  response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) });
  response.end(request.method === 'HEAD' ? '' : answer.body);
}

async function answerTo(request: IncomingMessage, handler: AppHandler): Promise<AppAnswer> {
  try {
    const body = await readBody(request);
    if (body.length > BODY_LIMIT_BYTES) return json({ error: 'request too large' }, 413);
    const url = new URL(request.url ?? '/', 'http://app.invalid');
    return await handler({ method: request.method ?? 'GET', url, headers: request.headers, body });
  } catch (error) {
    return json({ error: (error as Error).message }, 500);
  }
}

/** The whole body, or its first part when it is longer than the limit: what follows is read and dropped. */
async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    bytes += (chunk as Buffer).length;
    if (bytes <= BODY_LIMIT_BYTES + 65_536) chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}
