/** Clients of a long run: a fixed rate of mixed requests over raw sockets, each accounted for as answered, cut or left by the client. */

import { connect, type Socket } from 'node:net';
import { createRequestId } from '../../proxy/base/request-id.ts';
import type { Random } from '../../proxy/base/random.ts';

/** What became of one request as its client saw it. */
export interface Outcome {
  readonly id: string;
  readonly method: string;
  /** Status, `cut` when the connection ended without a whole answer, `left` when the client went away on purpose, `hung` when nothing came. */
  readonly end: number | 'cut' | 'left' | 'hung';
}

export interface MixedLoadOptions {
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly random: Random;
  /** How long a client waits before it calls a request hung. */
  readonly patienceMs: number;
  /** Value of Host; default `soak`. */
  readonly host?: string;
  /** Kinds of requests with their shares, which sum to 1; default DEFAULT_MIX. */
  readonly mix?: Mix;
}

export type Mix = readonly (readonly [kind: Kind, share: number])[];

type Kind = 'get' | 'post' | 'chunked' | 'large' | 'abort' | 'abort-body' | 'close';

export const DEFAULT_MIX: Mix = [
  ['get', 0.5], ['post', 0.15], ['chunked', 0.1], ['large', 0.05], ['abort', 0.08], ['abort-body', 0.04], ['close', 0.08],
];

/** Runs the load; resolves with one outcome for every request that was begun. */
export async function mixedLoad(options: MixedLoadOptions): Promise<Outcome[]> {
  const outcomes: Promise<Outcome>[] = [];
  const idle: Socket[] = [];
  const mix = options.mix ?? DEFAULT_MIX;
  const began = performance.now();
  const total = options.perSecond * options.seconds;
  while (outcomes.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * options.perSecond));
    while (outcomes.length < due) outcomes.push(one(options, pickKind(mix, options.random()), idle));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const ended = await Promise.all(outcomes);
  for (const socket of idle) socket.destroy();
  return ended;
}

function pickKind(mix: Mix, random: number): Kind {
  let sum = 0;
  for (const [kind, share] of mix) if (random < (sum += share)) return kind;
  return 'get';
}

function one(options: MixedLoadOptions, kind: Kind, idle: Socket[]): Promise<Outcome> {
  const id = createRequestId();
  const method = kind === 'get' || kind === 'close' || kind === 'abort' ? 'GET' : 'POST';
  const socket = (kind === 'close' ? undefined : takeIdle(idle)) ?? open(options.port);
  return new Promise((resolve) => {
    let text = '';
    let done = false;
    let whole = kind !== 'chunked';
    const finish = (end: Outcome['end']): void => {
      // The connection may serve another request by now.
      if (done) return;
      done = true;
      clearTimeout(timer);
      socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('end');
      // What is left of a request that was answered early must not become part of another one.
      if (typeof end === 'number' && whole && kind !== 'close' && !/\r\nconnection: close\r\n/.test(text)) idle.push(socket);
      else socket.destroy();
      resolve({ id, method, end });
    };
    const timer = setTimeout(() => finish('hung'), options.patienceMs);
    socket.on('close', () => finish('cut'));
    socket.on('end', () => finish('cut'));
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      const status = wholeAnswer(text);
      if (status !== undefined) finish(status);
    });
    send({ socket, kind, id, host: options.host ?? 'soak', random: options.random, leave: () => finish('left'), sentWhole: () => (whole = true) });
  });
}

function open(port: number): Socket {
  // What went wrong shows as a cut answer.
  return connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {});
}

function takeIdle(idle: Socket[]): Socket | undefined {
  for (let socket = idle.pop(); socket !== undefined; socket = idle.pop()) {
    if (!socket.destroyed && socket.readable && socket.writable) return socket;
  }
  return undefined;
}

interface Sending {
  readonly socket: Socket;
  readonly kind: Kind;
  readonly id: string;
  readonly host: string;
  readonly random: Random;
  /** The client goes away. */
  readonly leave: () => void;
  /** The last byte of a request that is sent bit by bit has been sent. */
  readonly sentWhole: () => void;
}

function send({ socket, kind, id, host, random, leave, sentWhole }: Sending): void {
  const head = `HTTP/1.1\r\nHost: ${host}\r\nx-request-id: ${id}\r\n`;
  switch (kind) {
    case 'get':
      socket.write(`GET /g ${head}\r\n`);
      return;
    case 'close':
      socket.write(`GET /c ${head}Connection: close\r\n\r\n`);
      return;
    case 'post':
      socket.write(`POST /p ${head}Content-Length: 2000\r\n\r\n${'p'.repeat(2000)}`);
      return;
    case 'chunked':
      socket.write(`POST /k ${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
      setTimeout(() => {
        if (socket.destroyed) return;
        socket.write('5\r\ndefgh\r\n0\r\n\r\n');
        sentWhole();
      }, 20 * random());
      return;
    case 'large':
      socket.write(`POST /l ${head}Content-Length: 300000\r\n\r\n`);
      socket.write(Buffer.alloc(300_000, 'l'));
      return;
    case 'abort':
      socket.write(`GET /slow ${head}\r\n`);
      setTimeout(leave, 30 * random());
      return;
    default:
      socket.write(`POST /p ${head}Content-Length: 100000\r\n\r\n${'a'.repeat(5000)}`);
      setTimeout(leave, 30 * random());
  }
}

/** Status once the whole answer is there: answers of these tests' upstreams and of the proxy always have a length. */
function wholeAnswer(text: string): number | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
  return text.length >= end + 4 + length ? Number(text.slice(9, 12)) : undefined;
}
