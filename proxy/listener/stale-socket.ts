/** The file of a unix socket that a process left behind when it was killed: in the way of the next one, and of no use to anybody. */

import { unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { isUnixAddress, unixPath } from '../base/unix-address.ts';

/** Removes it where nobody listens on it any more; true when there is room now. */
export async function removeStaleSocket(address: string): Promise<boolean> {
  const path = unixPath(address);
  if (!isUnixAddress(address) || path.startsWith('\0') || !(await isRefused(path))) return false;
  return unlink(path).then(
    () => true,
    () => false,
  );
}

/** A file that is no socket refuses, too, but by another name (ENOTSOCK); that one stays. */
function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const settle = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.once('connect', () => settle(false));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED'));
  });
}
