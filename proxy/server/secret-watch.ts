/** Watches the files of certificates by the means that watch the snapshot: directories, swapped links, a slow poll. */

import { watchSnapshot } from '../../config/load/watch.ts';
import type { Clock } from '../base/clock.ts';
import type { WatchFiles } from '../identity/secret-files.ts';

/** `onUnwatchable`: a directory whose changes are found by the poll only. */
export function createSecretWatch(clock: Clock, onUnwatchable: (sentence: string) => void): WatchFiles {
  return (paths, onChange) =>
    watchSnapshot(paths, {
      clock,
      onChange,
      onUnwatchable: (directory, reason) => onUnwatchable(`${directory} cannot be watched (${reason}): changed certificates are found within seconds only`),
    });
}
