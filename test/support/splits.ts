/** Who answers how often: many requests on one connection, and the bounds that chance allows. */

import type { Ask, EchoMesh } from './echo-mesh.ts';

export interface AnswerCounts {
  /** By name of the upstream. */
  readonly counts: ReadonlyMap<string, number>;
  /** Answers that were the proxy's own. */
  readonly other: number;
}

/** Pipelined requests on the wire at once. */
const BATCH = 100;

export async function countAnswers(mesh: EchoMesh, request: Ask, requests: number): Promise<AnswerCounts> {
  const counts = new Map<string, number>();
  let other = 0;
  const client = await mesh.proxy.connect(await mesh.entry(request.via));
  for (let sent = 0; sent < requests; sent += BATCH) {
    const batch = Math.min(BATCH, requests - sent);
    for (let i = 0; i < batch; i++) client.request(request);
    for (let i = 0; i < batch; i++) {
      const by = (await client.response()).header('x-by');
      if (by === undefined) other++;
      else counts.set(by, (counts.get(by) ?? 0) + 1);
    }
  }
  client.socket.destroy();
  return { counts, other };
}

/** True if `count` of `total` is what a share of `share` gives in all but one of two million tries. */
export function withinFiveSigma(count: number, total: number, share: number): boolean {
  return Math.abs(count - total * share) <= 5 * Math.sqrt(total * share * (1 - share));
}
