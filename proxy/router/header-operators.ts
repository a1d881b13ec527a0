/** Readers of the %OPERATORS% that header values may hold. An absent value is the empty string. */

import { hostname } from 'node:os';
import { toByteString } from '../base/bytes.ts';
import type { HeaderOperator } from '../base/header-format.ts';
import { createTimeFormat } from '../base/time-format.ts';
import { renderResponseFlags } from '../stream/response-flags.ts';
import type { RequestHead, Stream } from '../stream/stream.ts';
import { firstQueryValue, pathLengthOf } from './target.ts';

export type OperatorReader = (stream: Stream) => string;

/** `argument` is the text in the operator's brackets, empty without any. */
export function createOperatorReader(operator: HeaderOperator, argument: string): OperatorReader {
  return READERS[operator](argument);
}

/** Downstream connections are plain text in this version, so their TLS facts are absent, as in Envoy on such a connection. */
const absent = (): OperatorReader => () => '';

const downstreamRemote = (): OperatorReader => (stream) => stream.info.downstreamRemoteAddress;
const downstreamRemoteHost = (): OperatorReader => (stream) => hostOf(stream.info.downstreamRemoteAddress);
const upstreamHost = (): OperatorReader => (stream) => stream.info.host?.address ?? '';
const upstreamCluster = (): OperatorReader => (stream) => stream.info.cluster?.name ?? '';

const READERS: Readonly<Record<HeaderOperator, (argument: string) => OperatorReader>> = {
  BYTES_RECEIVED: () => (stream) => String(stream.info.bytesReceived),
  BYTES_SENT: () => (stream) => String(stream.info.bytesSent),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: () => (stream) => stream.info.downstreamDirectRemoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => hostOf(stream.info.downstreamDirectRemoteAddress),
  DOWNSTREAM_LOCAL_ADDRESS: () => (stream) => stream.info.downstreamLocalAddress,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: () => (stream) => hostOf(stream.info.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_PORT: () => (stream) => portOf(stream.info.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_SUBJECT: absent,
  DOWNSTREAM_LOCAL_URI_SAN: absent,
  DOWNSTREAM_PEER_CERT: absent,
  DOWNSTREAM_PEER_FINGERPRINT_256: absent,
  DOWNSTREAM_PEER_ISSUER: absent,
  DOWNSTREAM_PEER_SERIAL: absent,
  DOWNSTREAM_PEER_SUBJECT: absent,
  DOWNSTREAM_PEER_URI_SAN: absent,
  DOWNSTREAM_REMOTE_ADDRESS: downstreamRemote,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: downstreamRemoteHost,
  DOWNSTREAM_REMOTE_PORT: () => (stream) => portOf(stream.info.downstreamRemoteAddress),
  DOWNSTREAM_TLS_CIPHER: absent,
  DOWNSTREAM_TLS_VERSION: absent,
  // Headers are written when the request or the response head is there; only the latter has a duration yet.
  DURATION: () => (stream) => String(Math.max(0, Math.floor(stream.info.responseHeadMs - stream.info.startMs))),
  ENVIRONMENT: (argument) => constant(process.env[argument] ?? '-'),
  HOSTNAME: () => constant(hostname()),
  PROTOCOL: () => (stream) => stream.info.protocol,
  QUERY_PARAM: (argument) => (stream) => firstQueryValue(stream.request.path, pathLengthOf(stream.request.path), argument) ?? '',
  REQ: (argument) => requestHeader(argument),
  REQUESTED_SERVER_NAME: () => (stream) => stream.info.requestedServerName ?? '',
  RESP: (argument) => responseHeader(argument),
  RESPONSE_CODE: () => (stream) => String(stream.response?.status ?? stream.info.responseCode),
  RESPONSE_CODE_DETAILS: () => (stream) => stream.info.details,
  RESPONSE_FLAGS: () => (stream) => renderResponseFlags(stream.info.flags),
  ROUTE_NAME: () => (stream) => stream.info.routeName ?? '',
  START_TIME: startTime,
  UPSTREAM_CLUSTER: upstreamCluster,
  UPSTREAM_CLUSTER_RAW: upstreamCluster,
  UPSTREAM_HOST: upstreamHost,
  UPSTREAM_LOCAL_ADDRESS: () => (stream) => stream.info.upstreamLocalAddress ?? '',
  UPSTREAM_REMOTE_ADDRESS: upstreamHost,
  // The request's own headers are written before its first attempt is counted.
  UPSTREAM_REQUEST_ATTEMPT_COUNT: () => (stream) => String(Math.max(1, stream.info.attemptCount)),
  VIRTUAL_CLUSTER_NAME: absent,
};

function constant(value: string): OperatorReader {
  const bytes = toByteString(value);
  return () => bytes;
}

function startTime(pattern: string): OperatorReader {
  const format = createTimeFormat(pattern);
  return (stream) => format(stream.info.startTimeMs);
}

/** `NAME` or `NAME?FALLBACK`: the first of the two that is there. Pseudo-headers are named `:path`, `:authority`, … */
function requestHeader(argument: string): OperatorReader {
  const [name, fallback] = namesOf(argument);
  return ({ request }) => requestValue(request, name) ?? (fallback === undefined ? undefined : requestValue(request, fallback)) ?? '';
}

function responseHeader(argument: string): OperatorReader {
  const [name, fallback] = namesOf(argument);
  return ({ response }) => {
    if (response === undefined) return '';
    if (name === ':status') return String(response.status);
    return response.headers.get(name) ?? (fallback === undefined ? undefined : response.headers.get(fallback)) ?? '';
  };
}

function namesOf(argument: string): [name: string, fallback: string | undefined] {
  const [name = '', fallback] = argument.toLowerCase().split('?', 2);
  return [name.trim(), fallback?.trim()];
}

function requestValue(request: RequestHead, name: string): string | undefined {
  switch (name) {
    case ':path':
      return request.path;
    case ':method':
      return request.method;
    case ':authority':
    case 'host':
      return request.authority;
    case ':scheme':
      return request.scheme;
    default:
      return request.headers.get(name);
  }
}

/** `10.0.0.1:80` → `10.0.0.1`, `[::1]:80` → `::1`. */
function hostOf(address: string): string {
  const host = address.slice(0, Math.max(0, address.lastIndexOf(':')));
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}
