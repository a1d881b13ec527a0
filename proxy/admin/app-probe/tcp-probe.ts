/** tcpSocket: whether the application takes a connection. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { failure, reasonOf, SUCCESS, type ProbeOutcome, type ProbeTarget } from './outcome.ts';
import type { TcpProbe } from './probes.ts';

export async function probeTcp({ address, port, localAddress }: ProbeTarget, { timeoutMs }: TcpProbe): Promise<ProbeOutcome> {
  const socket = connect({ host: address, port, ...(localAddress === undefined ? {} : { localAddress }) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    return SUCCESS;
  } catch (error) {
    return failure(`connecting to port ${port}: ${reasonOf(error)}`);
  } finally {
    // After an abort the connection may still fail, which is then nobody's business.
    socket.on('error', () => {});
    socket.destroy();
  }
}
