/** What a load process is told and what it reports; both travel as JSON. */

export interface LoadJob {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  /** The whole request as sent, head and body. */
  readonly request: LoadRequest;
  /**
   * Present: over TLS 1.3. `resumed`: each connection but the first comes back with the ticket of the one before; where
   * connections live on it makes no difference. `full`: it never does.
   */
  readonly tls?: 'full' | 'resumed';
}

export interface LoadRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly host: string;
  /** Length of the request body; 0 sends none. */
  readonly bodyBytes: number;
  /** Ask for a new connection per request. */
  readonly close: boolean;
  /** A header whose value is 0, 1, … `values` − 1 in turn. */
  readonly varied?: { readonly header: string; readonly values: number };
}

export interface ClosedLoopResult {
  readonly requests: number;
  readonly seconds: number;
  /** Answers that were not 200, and connections that broke. */
  readonly errors: number;
}

/** Bytes of any kind, as many as the upstream gives. */
export interface BulkJob {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  readonly host: string;
}

export interface BulkResult {
  readonly bytes: number;
  readonly seconds: number;
  /** Connections that broke. */
  readonly errors: number;
}

/** An open-loop job: arrivals come at `rate`, whether or not earlier ones have been answered. */
export interface OpenLoopJob extends LoadJob {
  /** Arrivals per second. */
  readonly rate: number;
  /** Answer header to watch for a changed value (`reload`); its first change is reported. */
  readonly watchHeader?: string;
}

export interface OpenLoopResult {
  readonly requests: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** Wall-clock time (ms since the epoch) of the first answer whose watched header differs from the first one's. */
  readonly changedAtMs?: number;
}

/** The bytes of every request that is sent in turn, head and body. */
export function requestBytes(request: LoadRequest): Buffer[] {
  const body = Buffer.alloc(request.bodyBytes, 'x');
  return Array.from({ length: request.varied?.values ?? 1 }, (_unused, value) => Buffer.concat([Buffer.from(requestHead(request, value)), body]));
}

function requestHead(request: LoadRequest, value: number): string {
  const lines = [`${request.method} ${request.path} HTTP/1.1`, `host: ${request.host}`, 'user-agent: outrider-bench'];
  if (request.bodyBytes > 0) lines.push(`content-length: ${request.bodyBytes}`);
  if (request.close) lines.push('connection: close');
  if (request.varied !== undefined) lines.push(`${request.varied.header}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
