/**
 * grpc: one call of grpc.health.v1.Health/Check over plain-text HTTP/2. Its two messages have one field each, so they are
 * written and read here, without a protobuf library.
 */

import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { failure, hostAndPort, reasonOf, SUCCESS, type ProbeOutcome, type ProbeTarget } from './outcome.ts';
import type { GrpcProbe } from './probes.ts';

const CHECK = '/grpc.health.v1.Health/Check';
/** HealthCheckResponse.ServingStatus. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;
const UNIMPLEMENTED = '12';
/** A health answer has two bytes and the frame's five; more is no health answer. */
const LONGEST_ANSWER_BYTES = 1024;

/** Success is SERVING with grpc-status 0. */
export async function probeGrpc(target: ProbeTarget, probe: GrpcProbe, userAgent: string): Promise<ProbeOutcome> {
  const { address, port, localAddress } = target;
  const socket = connect({ host: address, port, ...(localAddress === undefined ? {} : { localAddress }) });
  const session = connectHttp2(`http://${hostAndPort(address, port)}`, { createConnection: () => socket });
  // The stream's own error says the same.
  session.on('error', () => {});
  try {
    return await check(session, probe, userAgent);
  } catch (error) {
    return failure(`${CHECK} on port ${port}: ${reasonOf(error)}`);
  } finally {
    session.destroy();
  }
}

async function check(session: ClientHttp2Session, { service, timeoutMs, port }: GrpcProbe, userAgent: string): Promise<ProbeOutcome> {
  const signal = AbortSignal.timeout(timeoutMs);
  const stream = session.request({ ':method': 'POST', ':path': CHECK, 'content-type': 'application/grpc', te: 'trailers', 'user-agent': userAgent }, { signal });
  stream.end(request(service));
  const answer = await answerOf(stream);
  if (answer.status === UNIMPLEMENTED) return failure(`port ${port} does not implement grpc.health.v1.Health`);
  if (answer.status !== '0') return failure(`${CHECK} on port ${port} ended with grpc-status ${answer.status ?? 'missing'}`);
  const status = servingStatus(answer.body);
  return status === SERVING ? SUCCESS : failure(`port ${port} says ${(status === undefined ? undefined : STATUSES[status]) ?? 'nothing that can be read'}`);
}

interface Answer {
  /** grpc-status, of the trailers or of an answer that is all trailers. */
  readonly status: string | undefined;
  readonly body: Buffer;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('response', (received) => (headers = received));
  stream.on('trailers', (received) => (trailers = received));
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > LONGEST_ANSWER_BYTES) stream.destroy(new Error('the answer is too long'));
    else chunks.push(chunk);
  });
  await once(stream, 'end');
  const status = trailers['grpc-status'] ?? headers['grpc-status'];
  return { status: typeof status === 'string' ? status : undefined, body: Buffer.concat(chunks) };
}

/** HealthCheckRequest{service} in a gRPC frame: uncompressed, length, then field 1 as bytes. */
function request(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Field 1 of HealthCheckResponse; 0 where it is left out, undefined where this is no such message. */
function servingStatus(body: Buffer): number | undefined {
  if (body.length < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) return undefined;
  if (body.length === 5) return 0;
  return body.length === 7 && body[5] === 0x08 ? body[6] : undefined;
}
