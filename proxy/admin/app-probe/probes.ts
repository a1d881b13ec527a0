/**
 * The application's own probes, which injection moved to the health port: `ISTIO_KUBE_APP_PROBERS`, a JSON object of path
 * to Kubernetes probe, as Istio's injector writes it.
 */

export type AppProbe = HttpProbe | TcpProbe | GrpcProbe;

interface Timed {
  readonly port: number;
  readonly timeoutMs: number;
}

export interface HttpProbe extends Timed {
  readonly kind: 'httpGet';
  /** With its query, beginning with `/`. */
  readonly path: string;
  readonly scheme: 'http' | 'https';
}

export interface TcpProbe extends Timed {
  readonly kind: 'tcpSocket';
}

export interface GrpcProbe extends Timed {
  readonly kind: 'grpc';
  /** As grpc.health.v1 has it; empty for the server as a whole. */
  readonly service: string;
}

/** By the path that the kubelet asks for. */
export type AppProbes = Readonly<Record<string, AppProbe>>;

export type ParsedProbes = { readonly ok: true; readonly value: AppProbes } | { readonly ok: false; readonly message: string };

const PATHS = /^\/(?:app-health\/[^/]+\/(?:livez|readyz|startupz)|app-lifecycle\/[^/]+\/(?:prestopz|poststartz))$/;
/** Kubernetes' default. */
const DEFAULT_TIMEOUT_SECONDS = 1;

/** The message names the path and the field. */
export function parseAppProbes(text: string): ParsedProbes {
  const probes: Record<string, AppProbe> = {};
  const all = parseJson(text);
  if (!isMap(all)) return { ok: false, message: 'is not a JSON object' };
  for (const [path, value] of Object.entries(all)) {
    if (!PATHS.test(path)) return { ok: false, message: `${path} is not /app-health/CONTAINER/livez, readyz or startupz, nor /app-lifecycle/CONTAINER/prestopz or poststartz` };
    const probe = isMap(value) ? parseProbe(value) : 'must be an object';
    if (typeof probe === 'string') return { ok: false, message: `${path}: ${probe}` };
    probes[path] = probe;
  }
  return { ok: true, value: probes };
}

/** The probe, or what is wrong with it. */
function parseProbe(value: Readonly<Record<string, unknown>>): AppProbe | string {
  const kinds = (['httpGet', 'tcpSocket', 'grpc'] as const).filter((name) => value[name] !== undefined && value[name] !== null);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) return 'must have one of httpGet, tcpSocket and grpc';
  const action = value[kind];
  if (!isMap(action)) return `${kind} must be an object`;
  const { port } = action;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return `${kind}.port must be a number from 1 to 65535`;
  const seconds = value['timeoutSeconds'] ?? DEFAULT_TIMEOUT_SECONDS;
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 0) return 'timeoutSeconds must be a whole number';
  const timed: Timed = { port, timeoutMs: (seconds || DEFAULT_TIMEOUT_SECONDS) * 1000 };
  if (kind === 'tcpSocket') return { kind, ...timed };
  return kind === 'grpc' ? parseGrpc(action, timed) : parseHttp(action, timed);
}

function parseGrpc({ service = '' }: Readonly<Record<string, unknown>>, timed: Timed): GrpcProbe | string {
  if (service !== null && typeof service !== 'string') return 'grpc.service must be text';
  return { kind: 'grpc', ...timed, service: service ?? '' };
}

function parseHttp({ path = '', scheme = 'HTTP' }: Readonly<Record<string, unknown>>, timed: Timed): HttpProbe | string {
  if (typeof path !== 'string' || /[^\x21-\x7e]/.test(path)) return 'httpGet.path must be text without spaces';
  if (scheme !== 'HTTP' && scheme !== 'HTTPS' && scheme !== '') return 'httpGet.scheme must be HTTP or HTTPS';
  return { kind: 'httpGet', ...timed, path: path.startsWith('/') ? path : `/${path}`, scheme: scheme === 'HTTPS' ? 'https' : 'http' };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
