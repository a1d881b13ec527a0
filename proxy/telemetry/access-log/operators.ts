/** What each %OPERATOR% of Envoy's substitution format reads from a completed stream. */

import { hostname } from 'node:os';
import { toByteString } from '../../base/bytes.ts';
import { createTimeFormat, timeFormatProblem } from '../../base/time-format.ts';
import { renderLongResponseFlags, renderResponseFlags } from '../../stream/response-flags.ts';
import type { StreamInfo } from '../../stream/stream-info.ts';
import type { Stream } from '../../stream/stream.ts';
import { grpcStatusName, grpcStatusOf } from '../grpc-status.ts';
import { createDurationReader, durationBetween } from './duration.ts';
import { createHeaderReader, createPathReader, requestReader, responseReader } from './header-reader.ts';
import { isPlain } from './escape.ts';
import { createIsoTime } from './iso-time.ts';
import { TLS_READERS, TLS_TIMES } from './tls-facts.ts';

/** Text is a byte string, undefined where the value is missing; a number is missing when it is negative. */
export type Operator =
  | { readonly kind: 'number'; readonly read: (stream: Stream) => number }
  | {
      readonly kind: 'text';
      readonly read: (stream: Stream) => string | undefined;
      /** Written by this proxy in printable ASCII without quotes: needs no escaping. */
      readonly plain: boolean;
    };

export interface OperatorProblem {
  readonly problem: string;
}

/** `argument` is what stood in brackets, undefined without brackets; `maxLength` what stood after the colon. */
export function createOperator(name: string, argument: string | undefined, maxLength: number | undefined): Operator | OperatorProblem {
  const definition = Object.hasOwn(DEFINITIONS, name) ? DEFINITIONS[name] : undefined;
  if (definition === undefined) return { problem: unknownOperator(name) };
  if (definition.argument === 'none' && argument !== undefined) return { problem: `%${name}% takes no argument` };
  if (definition.argument === 'required' && (argument ?? '').trim() === '') return { problem: `%${name}% needs an argument: %${name}(…)%` };
  const operator = definition.create(argument ?? '');
  if (maxLength === undefined || 'problem' in operator) return operator;
  if (operator.kind === 'number' || !definition.cut) return { problem: `%${name}% takes no length` };
  return { ...operator, read: cut(operator.read, maxLength) };
}

/** Envoy's operators that a sidecar's log may ask for but that name facts this proxy does not collect. */
const NOT_COLLECTED: ReadonlySet<string> = new Set([
  'ACCESS_LOG_TYPE', 'BYTES_RETRANSMITTED', 'CEL', 'CLUSTER_METADATA', 'CONNECTION_ID', 'CUSTOM_FLAGS', 'DOWNSTREAM_DETECTED_CLOSE_TYPE',
  'DOWNSTREAM_HEADER_BYTES_RECEIVED', 'DOWNSTREAM_HEADER_BYTES_SENT', 'DOWNSTREAM_LOCAL_EMAIL_SAN', 'DOWNSTREAM_LOCAL_IP_SAN',
  'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1', 'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256', 'DOWNSTREAM_PEER_CHAIN_SERIALS', 'DOWNSTREAM_PEER_EMAIL_SAN',
  'DOWNSTREAM_PEER_FINGERPRINT_1', 'DOWNSTREAM_PEER_IP_SAN', 'DOWNSTREAM_TLS_SESSION_ID', 'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'DOWNSTREAM_WIRE_BYTES_SENT', 'DYNAMIC_METADATA', 'EMIT_TIME', 'EMIT_TIME_LOCAL', 'FILTER_STATE', 'LISTENER_NAME', 'LOCAL_REPLY_BODY', 'METADATA',
  'PACKETS_RETRANSMITTED', 'QUERY_PARAM', 'QUERY_PARAMS', 'REQUEST_HEADERS_BYTES', 'REQUEST_TX_DURATION', 'RESPONSE_HEADERS_BYTES',
  'RESPONSE_TRAILERS_BYTES', 'ROUNDTRIP_DURATION', 'SPAN_ID', 'START_TIME_LOCAL', 'STREAM_ID', 'TLS_JA3_FINGERPRINT', 'TLS_JA4_FINGERPRINT',
  'TRACE_ID', 'TRAILER', 'UNIQUE_ID', 'UPSTREAM_CONNECTION_ID', 'UPSTREAM_CONNECTION_POOL_READY_DURATION', 'UPSTREAM_FILTER_STATE',
  'UPSTREAM_HEADER_BYTES_RECEIVED', 'UPSTREAM_HEADER_BYTES_SENT', 'UPSTREAM_LOCAL_IP_SAN', 'UPSTREAM_METADATA', 'UPSTREAM_PEER_IP_SAN',
  'UPSTREAM_PROTOCOL', 'UPSTREAM_TLS_SESSION_ID', 'UPSTREAM_WIRE_BYTES_RECEIVED', 'UPSTREAM_WIRE_BYTES_SENT',
]);

interface Definition {
  readonly argument: 'none' | 'optional' | 'required';
  /** Takes `:LENGTH`. */
  readonly cut: boolean;
  readonly create: (argument: string) => Operator | OperatorProblem;
}

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  BYTES_RECEIVED: count((info) => info.bytesReceived),
  BYTES_SENT: count((info) => info.bytesSent),
  COMMON_DURATION: { argument: 'required', cut: false, create: commonDuration },
  CONNECTION_TERMINATION_DETAILS: reason((info) => info.connectionTerminationDetails),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: address((info) => info.downstreamDirectRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: address((info) => hostOf(info.downstreamDirectRemoteAddress)),
  DOWNSTREAM_DIRECT_REMOTE_PORT: count((info) => portOf(info.downstreamDirectRemoteAddress)),
  DOWNSTREAM_LOCAL_ADDRESS: address((info) => info.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: address((info) => hostOf(info.downstreamLocalAddress)),
  DOWNSTREAM_LOCAL_PORT: count((info) => portOf(info.downstreamLocalAddress)),
  DOWNSTREAM_REMOTE_ADDRESS: address((info) => info.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: address((info) => hostOf(info.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_PORT: count((info) => portOf(info.downstreamRemoteAddress)),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: reason((info) => (info.details === 'downstream_tls_error' ? info.connectionTerminationDetails : undefined)),
  DURATION: count((info) => Math.floor(info.endMs - info.startMs)),
  ENVIRONMENT: { argument: 'required', cut: true, create: environment },
  FILTER_CHAIN_NAME: configured((info) => info.filterChain),
  GRPC_STATUS: { argument: 'optional', cut: false, create: grpcStatus },
  GRPC_STATUS_NUMBER: { argument: 'none', cut: false, create: () => ({ kind: 'number', read: grpcStatusOf }) },
  HOSTNAME: { argument: 'none', cut: true, create: () => constant(hostname()) },
  PATH: { argument: 'optional', cut: true, create: path },
  /** Empty where nobody knows: bytes passed through, connections refused. */
  PROTOCOL: plain((info) => info.protocol || undefined),
  REQ: { argument: 'required', cut: true, create: (argument) => untrusted(createHeaderReader(argument, requestReader)) },
  REQUESTED_SERVER_NAME: { argument: 'none', cut: false, create: () => untrusted((stream) => stream.info.requestedServerName) },
  REQUEST_DURATION: count((info) => durationBetween(info.startMs, info.requestCompleteMs)),
  RESP: { argument: 'required', cut: true, create: responseHeader },
  RESPONSE_CODE: count((info) => info.responseCode),
  RESPONSE_CODE_DETAILS: reason((info) => info.details),
  RESPONSE_DURATION: count((info) => durationBetween(info.startMs, info.responseHeadMs)),
  RESPONSE_FLAGS: plain((info) => renderResponseFlags(info.flags)),
  RESPONSE_FLAGS_LONG: plain((info) => renderLongResponseFlags(info.flags)),
  RESPONSE_TX_DURATION: count((info) => durationBetween(info.responseHeadMs, info.endMs)),
  ROUTE_NAME: configured((info) => info.routeName),
  START_TIME: { argument: 'optional', cut: false, create: (pattern) => time('START_TIME', pattern, (info) => info.startTimeMs) },
  UPSTREAM_CLUSTER: configured((info) => info.cluster?.name),
  UPSTREAM_CLUSTER_RAW: configured((info) => info.cluster?.name),
  UPSTREAM_HOST: upstream((host) => host),
  UPSTREAM_HOST_NAME: upstream((host) => host),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: upstream(hostOf),
  UPSTREAM_LOCAL_ADDRESS: address((info) => info.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: address((info) => hostOf(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: count((info) => portOf(info.upstreamLocalAddress)),
  UPSTREAM_REMOTE_ADDRESS: upstream((host) => host),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: upstream(hostOf),
  UPSTREAM_REMOTE_PORT: count((info) => portOf(info.host?.address)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: count((info) => info.attemptCount),
  UPSTREAM_TRANSPORT_FAILURE_REASON: reason((info) => info.transportFailureReason),
  /** Istio programs no virtual clusters: missing, as in Envoy. */
  VIRTUAL_CLUSTER_NAME: plain(() => undefined),
  ...Object.fromEntries(Object.entries(TLS_READERS).map(([name, read]) => [name, { argument: 'none', cut: false, create: () => untrusted((stream) => read(stream.info)) }])),
  ...Object.fromEntries(Object.entries(TLS_TIMES).map(([name, read]) => [name, { argument: 'optional', cut: false, create: (pattern: string) => time(name, pattern, read) }])),
};

function unknownOperator(name: string): string {
  if (NOT_COLLECTED.has(name)) return `%${name}% is not supported: this proxy does not collect it`;
  return `%${name}% is not an access log operator`;
}

function count(read: (info: StreamInfo) => number): Definition {
  return { argument: 'none', cut: false, create: () => ({ kind: 'number', read: (stream) => read(stream.info) }) };
}

function plain(read: (info: StreamInfo) => string | undefined): Definition {
  return { argument: 'none', cut: false, create: () => ({ kind: 'text', plain: true, read: (stream) => read(stream.info) }) };
}

/** Of a socket: the system's own text. */
function address(read: (info: StreamInfo) => string | undefined): Definition {
  return plain((info) => read(info) || undefined);
}

/** Of an upstream host: without interception it may be the name that the downstream asked for. */
function upstream(read: (address: string | undefined) => string | undefined): Definition {
  return { argument: 'none', cut: false, create: () => untrusted((stream) => read(stream.info.host?.address)) };
}

/** Text of the configuration: any character. */
function configured(read: (info: StreamInfo) => string | undefined): Definition {
  return {
    argument: 'none',
    cut: false,
    create: () =>
      untrusted((stream) => {
        const value = read(stream.info);
        return value === undefined || value === '' ? undefined : toByteString(value);
      }),
  };
}

/** A cause, which Envoy writes as one word. */
function reason(read: (info: StreamInfo) => string | undefined): Definition {
  return {
    argument: 'none',
    cut: false,
    create: () =>
      untrusted((stream) => {
        const value = read(stream.info);
        if (value === undefined || value === '') return undefined;
        return value.includes(' ') ? value.replaceAll(' ', '_') : value;
      }),
  };
}

function untrusted(read: (stream: Stream) => string | undefined): Operator {
  return { kind: 'text', plain: false, read };
}

function constant(text: string): Operator {
  const value = toByteString(text);
  return { kind: 'text', plain: isPlain(value), read: () => value };
}

/** `-` for a variable that is not set, in JSON too (Envoy). */
function environment(name: string): Operator {
  return constant(process.env[name] ?? '-');
}

function time(name: string, pattern: string, read: (info: StreamInfo) => number | undefined): Operator | OperatorProblem {
  const problem = pattern === '' ? undefined : timeFormatProblem(pattern);
  if (problem !== undefined) return { problem: `%${name}(${pattern})%: ${problem}` };
  const render = pattern === '' ? createIsoTime() : createTimeFormat(toByteString(pattern));
  return {
    kind: 'text',
    plain: isPlain(pattern),
    read: (stream) => {
      const epochMs = read(stream.info);
      return epochMs === undefined ? undefined : render(epochMs);
    },
  };
}

/** The service time is a number of ours: read from the facts, so that no response header can put text into its column. */
function responseHeader(argument: string): Operator {
  if (argument.trim().toLowerCase() === 'x-envoy-upstream-service-time') {
    return { kind: 'text', plain: true, read: ({ info }) => (info.upstreamServiceTimeMs < 0 ? undefined : `${info.upstreamServiceTimeMs}`) };
  }
  return untrusted(createHeaderReader(argument, responseReader));
}

function path(argument: string): Operator | OperatorProblem {
  const read = createPathReader(argument);
  return typeof read === 'string' ? { problem: read } : untrusted(read);
}

function grpcStatus(argument: string): Operator | OperatorProblem {
  if (argument === 'NUMBER') return { kind: 'number', read: grpcStatusOf };
  if (argument !== '' && argument !== 'CAMEL_STRING' && argument !== 'SNAKE_STRING') {
    return { problem: '%GRPC_STATUS(…)% takes CAMEL_STRING, SNAKE_STRING or NUMBER' };
  }
  const snake = argument === 'SNAKE_STRING';
  return { kind: 'text', plain: true, read: (stream) => grpcStatusName(grpcStatusOf(stream), snake) };
}

function commonDuration(argument: string): Operator | OperatorProblem {
  const read = createDurationReader(argument);
  return typeof read === 'string' ? { problem: read } : { kind: 'number', read: (stream) => read(stream.info) };
}

function cut(read: (stream: Stream) => string | undefined, maxLength: number): (stream: Stream) => string | undefined {
  return (stream) => read(stream)?.slice(0, maxLength);
}

/** `10.0.0.1:80` → `10.0.0.1`, `[::1]:80` → `::1`. */
function hostOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const colon = text.lastIndexOf(':');
  if (colon < 0) return text;
  return text.startsWith('[') ? text.slice(1, colon - 1) : text.slice(0, colon);
}

function portOf(text: string | undefined): number {
  if (text === undefined) return -1;
  const colon = text.lastIndexOf(':');
  return colon < 0 ? -1 : Number(text.slice(colon + 1));
}
