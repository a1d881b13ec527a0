/** The gRPC outcome of a stream, for metrics and the access log. */

import type { Stream } from '../stream/stream.ts';

/** Camel-case names in the order of their numbers (gRPC: statuscodes.md), as Envoy's %GRPC_STATUS% prints them. */
const NAMES = [
  'OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied', 'ResourceExhausted',
  'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated',
] as const;

const UNKNOWN = 2;
const GRPC = 'application/grpc';

/** Envoy's mapping for a gRPC answer without grpc-status; anything else is UNKNOWN. */
const BY_HTTP_STATUS: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

/** `application/grpc` or `application/grpc+proto`; not `application/grpc-web` (Envoy). Only a POST can be gRPC. */
export function isGrpcRequest({ request }: Pick<Stream, 'request'>): boolean {
  if (request.method !== 'POST') return false;
  const contentType = request.headers.get('content-type');
  return contentType !== undefined && (contentType === GRPC || contentType.startsWith(`${GRPC}+`));
}

/** HTTP status that an answer's grpc-status stands for (Envoy: Grpc::Utility::grpcToHttpStatus); 500 for one that is none. */
const HTTP_STATUS: readonly number[] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

export function httpStatusOfGrpc(grpcStatus: string): number {
  return HTTP_STATUS[/^\d{1,2}$/.test(grpcStatus) ? Number(grpcStatus) : -1] ?? 500;
}

/**
 * 0 to 16; a status that is none of them counts as UNKNOWN, so that labels stay bounded. -1 when the
 * request is not gRPC or nothing was answered.
 */
export function grpcStatusOf(stream: Stream): number {
  if (!isGrpcRequest(stream)) return -1;
  const sent = stream.response?.headers.get('grpc-status');
  if (sent === undefined && stream.info.responseCode === 0) return -1;
  if (sent === undefined) return BY_HTTP_STATUS[stream.info.responseCode] ?? UNKNOWN;
  const status = /^\d{1,2}$/.test(sent) ? Number(sent) : UNKNOWN;
  return status < NAMES.length ? status : UNKNOWN;
}

/** `DeadlineExceeded`, or `DEADLINE_EXCEEDED`; undefined below zero. */
export function grpcStatusName(status: number, snake: boolean): string | undefined {
  const name = NAMES[status];
  if (name === undefined || !snake || name === 'OK') return name;
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}
