/** Figures of earlier runs, one file per scenario under bench/.cache, so that a scenario can be run again by itself. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutRoot } from './measure/places.ts';
import type { Sample } from './types.ts';

/** Everything one scenario measured in one run: rows of one block may be compared, rows of two may not. */
export interface Figures {
  readonly scenario: string;
  /** ISO date and time of the run's end. */
  readonly finished: string;
  readonly rounds: number;
  readonly measureMs: number;
  /** Peer name → version. */
  readonly versions: Readonly<Record<string, string>>;
  readonly samples: readonly Sample[];
}

const folder = join(checkoutRoot, 'bench', '.cache');

export function keepFigures(figures: Figures): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(figures.scenario), JSON.stringify(figures, null, 1));
}

/** Undefined when the scenario has never been run in this checkout. */
export function readFigures(scenario: string): Figures | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(scenario), 'utf8')) as Figures;
  } catch {
    return undefined;
  }
}

function fileOf(scenario: string): string {
  return join(folder, `${scenario}.json`);
}
