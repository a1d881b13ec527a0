/** Tells the visitor what became of an edit: asks each proxy's admin for its configuration status and prints changes. */

import { systemClock } from '../base/clock.ts';
import type { Timer } from '../base/clock.ts';
import type { RunningProxy } from './demo-mesh.ts';

/** What /config_status prints, as far as it is read here. */
interface Status {
  readonly version: string;
  readonly lastAttempt: 'accepted' | 'rejected';
  /** One line each, with file, line and column. */
  readonly problems: readonly string[];
}

const INTERVAL_MS = 300;
/** A file that is wrong from top to bottom need not fill the screen. */
const SHOWN_PROBLEMS = 5;

export class ConfigNews {
  readonly #proxies: readonly RunningProxy[];
  readonly #print: (text: string) => void;
  #timer: Timer | undefined;
  #told: string | undefined;

  constructor(proxies: readonly RunningProxy[], print: (text: string) => void) {
    this.#proxies = proxies;
    this.#print = print;
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = systemClock.setTimer(INTERVAL_MS, () => {
      void this.#look().then(() => {
        if (this.#timer !== undefined) this.#arm();
      });
    });
  }

  /** Silent until every proxy has reached the same verdict on the same files. */
  async #look(): Promise<void> {
    const statuses = await Promise.all(this.#proxies.map(({ ports }) => statusOf(ports.admin)));
    const known = statuses.filter((status) => status !== undefined);
    const first = known[0];
    if (first === undefined || known.length < this.#proxies.length) return;
    if (known.some((status) => status.lastAttempt !== first.lastAttempt)) return;
    const verdict = first.lastAttempt === 'accepted' ? `accepted ${known.map(({ version }) => version).join()}` : renderRejection(first);
    if (verdict === this.#told) return;
    const beginning = this.#told === undefined;
    this.#told = verdict;
    if (beginning) return;
    this.#print(first.lastAttempt === 'accepted' ? 'Configuration changed: every proxy serves it now.\n' : `Configuration refused; the last good one goes on serving:\n${verdict}`);
  }
}

function renderRejection({ problems }: Status): string {
  const more = problems.length - SHOWN_PROBLEMS;
  const lines = [...problems.slice(0, SHOWN_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])];
  return lines.map((line) => `  ${line}\n`).join('');
}

async function statusOf(admin: number | undefined): Promise<Status | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${admin}/config_status`);
    return response.ok ? ((await response.json()) as Status) : undefined;
  } catch {
    return undefined;
  }
}
